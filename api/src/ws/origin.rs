use axum::http::{
    HeaderMap, StatusCode, Uri,
    header::{HOST, ORIGIN},
};

use crate::{http::single, problem::Problem};

/// Whether the page that opens a connection may: a browser sends its cookies with the handshake
/// whatever page asks, and CORS does not apply to it. Who sends no Origin is no browser.
///
/// # Errors
/// 403 `foreign-origin`
pub(super) fn check(headers: &HeaderMap, allowed: &[String]) -> Result<(), Problem> {
    let Some(origin) = single(headers, ORIGIN.as_str())? else { return Ok(()) };
    let foreign = || {
        let detail = "Pages of this origin may not open a connection here.";
        Problem::new(StatusCode::FORBIDDEN, "foreign-origin", detail)
    };
    let origin = origin.to_str().map_err(|_| foreign())?;
    if allowed.iter().any(|one| one.eq_ignore_ascii_case(origin)) {
        return Ok(());
    }
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let ours = origin.parse::<Uri>().ok().and_then(|uri| {
        let authority = uri.authority()?.as_str().to_owned();
        matches!(uri.scheme_str(), Some("http" | "https")).then_some(authority)
    });
    match (ours, host) {
        (Some(ours), Some(host)) if ours.eq_ignore_ascii_case(host) => Ok(()),
        _ => Err(foreign()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(origins: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, "map.example:8080".parse().unwrap());
        for origin in origins {
            headers.append(ORIGIN, origin.parse().unwrap());
        }
        check(&headers, &["https://app.example".to_owned()]).is_ok()
    }

    #[test]
    fn our_own_pages_and_listed_ones_may() {
        assert!(checked(&[]));
        assert!(checked(&["http://map.example:8080"]) && checked(&["https://MAP.example:8080"]));
        assert!(checked(&["https://app.example"]));
        for bad in [
            "null",
            "",
            "https://evil.example",
            "https://map.example",
            "https://map.example:8080.evil.example",
            "https://app.example.evil",
            "ftp://map.example:8080",
            "http://app.example",
        ] {
            assert!(!checked(&[bad]), "{bad}");
        }
        assert!(!checked(&["https://app.example", "https://evil.example"]));
    }
}
