use axum::http::{HeaderMap, request::Parts};
use eventstore::audit::{Access, record_access};
use uuid::Uuid;

use crate::{app::App, auth::Identity, http::single, problem::Problem};

/// Whoever may read the log, and why they say they do.
pub(super) struct Reader {
    identity: Identity,
    why: String,
}

impl Reader {
    /// The token's role, after everything that can be wrong with the request.
    ///
    /// # Errors
    /// 400 for an `Audit-Reason` that cannot be read, 403 without the role.
    pub fn of(identity: Identity, parts: &Parts) -> Result<Self, Problem> {
        let why = reason(&parts.headers)?;
        if identity.roles.auditor {
            Ok(Self { identity, why })
        } else {
            Err(Problem::forbidden_role("Only an auditor reads the log."))
        }
    }

    /// Writes down what is about to be read.
    ///
    /// # Errors
    /// 503: what cannot be written down is not read.
    pub async fn reads(&self, app: &App, action: &'static str, what: &str) -> Result<(), Problem> {
        self.reads_about(app, action, None, what).await
    }

    /// The same where it is about one person.
    ///
    /// # Errors
    /// 503
    pub async fn reads_about(
        &self,
        app: &App,
        action: &'static str,
        subject: Option<Uuid>,
        what: &str,
    ) -> Result<(), Problem> {
        let who = self.identity.account.to_string();
        let access = Access { who: &who, action, subject, what, why: &self.why };
        record_access(app.log.pg(), &access).await?;
        Ok(())
    }
}

/// `Audit-Reason`: why somebody reads, in up to 200 printable characters; empty when absent.
///
/// # Errors
/// 400
pub fn reason(headers: &HeaderMap) -> Result<String, Problem> {
    const NAME: &str = "Audit-Reason";
    let Some(value) = single(headers, NAME)? else { return Ok(String::new()) };
    let text = std::str::from_utf8(value.as_bytes()).ok();
    let fine = |text: &&str| text.chars().count() <= 200 && !text.chars().any(char::is_control);
    match text.filter(fine) {
        Some(text) => Ok(text.to_owned()),
        None => Err(Problem::bad_parameter(NAME, "A reason has up to 200 printable characters.")),
    }
}
