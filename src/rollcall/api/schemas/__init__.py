"""What comes in and goes out, for marshmallow and the OpenAPI document; the rules themselves are services/users/fields'."""
