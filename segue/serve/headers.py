"""Headers that every answer of the server carries: a browser runs nothing that is not ours, and keeps nothing too long."""

HEADERS = (
    ("cache-control", "no-cache"),  # the console's modules change together with the server
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("x-frame-options", "DENY"),
    (
        "content-security-policy",
        "default-src 'self'; img-src 'self' data:; style-src 'self'; object-src 'none'; base-uri 'none'; "
        "frame-ancestors 'none'",
    ),
)
