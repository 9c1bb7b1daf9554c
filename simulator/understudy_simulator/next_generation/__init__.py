"""The interactions family of APIs: snake_case in and out, steps in place of contents, errors of its own form."""
