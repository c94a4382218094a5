// Starts Swagger UI on our own OpenAPI document. A file of its own: the Content-Security-Policy allows no inline script.
const place = document.getElementById("swagger-ui");

// What Swagger UI leaves to be mended for those who use no mouse or no eyes.
const accessible = () => ({
  wrapComponents: {
    // A link inside of a button is reached twice and told as neither; the button keeps the address up to date by itself.
    DeepLink: () => ({ text }) => text,
    // The heading between that of the page and those of the tags.
    operations: (Operations, { React }) => (given) => [
      React.createElement("h2", { key: "heading", className: "unseen" }, "Operations"),
      React.createElement(Operations, { key: "operations", ...given }),
    ],
  },
});

window.SwaggerUIBundle({
  domNode: place,
  url: place.dataset.document,
  deepLinking: true,
  displayRequestDuration: true,
  validatorUrl: null, // the default would send the document to another server
  plugins: [accessible],
  // What is not in its main part is the head of the page.
  onComplete: () => place.querySelector(".information-container").setAttribute("role", "banner"),
});
