use axum::{
    extract::{Request, State},
    http::request::Parts,
    response::Response,
};
use eventstore::{
    audit::{Access, record_access},
    subscription::any_stale,
};
use projections::weave::{
    account_page::{AccountDetail, Viewer, account_detail},
    thread::ThreadKey,
};
use serde::Serialize;

use crate::{
    app::{App, Shared},
    audit::reason,
    command::path_id,
    http::{EntityTag, Lane, Params},
    problem::Problem,
    query::{Caching, Caught, answer, caught_up, run},
    weave::nodes::refuse_stale,
};

const PAGE: &str = "account_page";
const THREADS: &str = "thread";
const ACTIVITY: &str = "activity";

/// `GET /v1/accounts/{id}`
pub async fn one(State(app): State<Shared>, request: Request) -> Result<Response, Problem> {
    let (parts, _) = request.into_parts();
    run(&app, Lane::Queries, shown(&app, &parts)).await
}

#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    account: AccountDetail,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    stale: bool,
}

async fn shown(app: &App, parts: &Parts) -> Result<Response, Problem> {
    let identity = app.verifier.identity_if_any(&parts.headers)?;
    Params::parse(parts.uri.query(), &[])?;
    let why = reason(&parts.headers)?;
    let id = path_id(parts, 3, "id")?;
    let Caught { wanted, reads } = caught_up(app, &parts.headers, &[PAGE, THREADS, ACTIVITY]).await?;
    let rows = [(PAGE, id.to_string()), (THREADS, ThreadKey::Account { account: id }.to_string())];
    let stale = any_stale(&reads, &rows).await?;
    refuse_stale(stale, wanted)?;
    let viewer = identity.map_or_else(Viewer::default, |identity| Viewer {
        account: Some(identity.account),
        admin: identity.roles.admin,
    });
    let now = app.clock.now();
    let account = account_detail(&reads, &app.sealer, id, viewer, now).await?;
    let account = account.ok_or_else(|| Problem::not_found("There is no such account."))?;
    // An admin who sees somebody else's contact data is written down, before the answer.
    let reader = identity.filter(|identity| identity.account != id && account.address.is_some());
    if let Some(reader) = reader {
        let who = reader.account.to_string();
        let what = format!("account/{id}");
        let access =
            Access { who: &who, action: "account.contact", subject: Some(id), what: &what, why: &why };
        record_access(app.log.pg(), &access).await?;
    }
    let (version, position) = (account.version, account.position);
    let tag = match account.nodes.is_empty() {
        true => EntityTag::Read(version, position),
        false => EntityTag::ReadAt(version, position, now.timestamp_millis()),
    };
    answer(&parts.headers, &Shown { account, stale }, tag, Caching::Never)
}
