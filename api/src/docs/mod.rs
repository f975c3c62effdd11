//! `/docs`: a page to browse the API and to try it, without anything from elsewhere.

use axum::{
    extract::Request,
    http::{
        HeaderValue,
        header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE},
    },
    response::Response,
};

use crate::{http::Params, problem::Problem};

/// Scripts, styles and requests of this server only; nobody may frame the page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// `GET /docs`
pub async fn page(request: Request) -> Result<Response, Problem> {
    file(&request, "text/html; charset=utf-8", include_str!("page.html"))
}

/// `GET /docs/page.js`
pub async fn script(request: Request) -> Result<Response, Problem> {
    file(&request, "text/javascript; charset=utf-8", include_str!("page.js"))
}

/// `GET /docs/page.css`
pub async fn style(request: Request) -> Result<Response, Problem> {
    file(&request, "text/css; charset=utf-8", include_str!("page.css"))
}

fn file(request: &Request, content_type: &'static str, text: &'static str) -> Result<Response, Problem> {
    Params::parse(request.uri().query(), &[])?;
    let mut response = Response::new(text.into());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    Ok(response)
}

#[cfg(test)]
mod tests {
    /// Offline means: nothing is loaded from anywhere else.
    #[test]
    fn the_page_names_no_other_server() {
        for text in [include_str!("page.html"), include_str!("page.js"), include_str!("page.css")] {
            assert!(!text.contains("http://") && !text.contains("https://") && !text.contains("//cdn"));
            assert!(!text.contains("innerHTML"), "text is set as text");
        }
    }
}
