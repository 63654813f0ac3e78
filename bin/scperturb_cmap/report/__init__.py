"""What the report has besides its pages: tables to download, the client's name and logo, the bundle for analysts."""
