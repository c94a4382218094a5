// Starts Swagger UI on our own OpenAPI document. A file of its own: the Content-Security-Policy allows no inline script.
const place = document.getElementById("swagger-ui");

window.SwaggerUIBundle({
  domNode: place,
  url: place.dataset.document,
  deepLinking: true,
  displayRequestDuration: true,
  validatorUrl: null, // the default would send the document to another server
});
