// Draws the page from this API's own document. Nothing is asked of another host: not even whether the document is valid.
window.ui = SwaggerUIBundle({
  url: "/api/v1/openapi.json",
  dom_id: "#page",
  deepLinking: true,
  docExpansion: "list",
  validatorUrl: null,
  // A token stays in the page, and is gone with it.
  persistAuthorization: false,
});
