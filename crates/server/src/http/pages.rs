//! The pages that people see.

use axum::response::Html;

/// `GET /device`: where a person confirms the code of a command line. It shows nothing of the address that it was opened with.
pub async fn device() -> Html<&'static str> {
    Html(DEVICE)
}

const DEVICE: &str = "<!doctype html>
<html lang=\"en\">
<meta charset=\"utf-8\">
<meta name=\"viewport\" content=\"width=device-width\">
<title>Sign in a command line</title>
<main>
<h1>Sign in a command line</h1>
<p>On a machine where you are signed in already, run</p>
<pre>countersign login confirm CODE</pre>
<p>It shows who asks. Confirm only what you began yourself.</p>
</main>
";
