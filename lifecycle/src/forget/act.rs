//! The steps that change something.

use commands::{Caller, CommandError, CommandRequest};
use domain::{
    Rejection, RejectionKind,
    platform::person::{Person, PersonCommand, PersonCommandKind, RecordForgotten, person_id},
    weave::account::{Account, AccountCommand, AccountCommandKind, LeaveAccount},
};
use eventstore::{keys::Standing, log};
use kernel::{Class, Position, crash_point};
use serde_json::json;
use uuid::Uuid;

use super::{
    request::ForgetRequest,
    step::Step,
    workflow::{Outcome, Workflow},
};
use crate::{
    LifecycleError,
    certificate::{Certificate, Finality, StepLine},
    ledger::LedgerLine,
    scan::ScanReport,
};

fn by_the_system(request: &ForgetRequest, aggregate_id: Uuid, word: &str) -> CommandRequest {
    // The same whenever it is done: what the log says of it points to the request.
    let command_id = Uuid::new_v5(&request.request, word.as_bytes());
    CommandRequest {
        caller: Caller::System,
        aggregate_id,
        idempotency: None,
        if_match: None,
        command_id,
        correlation_id: request.request,
        causation_id: request.request,
        traceparent: None,
    }
}

impl Workflow {
    pub(super) async fn hold(&self, request: &ForgetRequest) -> Result<Outcome, LifecycleError> {
        // The log before the key store: a hold is valid from its event on.
        let events = log::load_stream(&self.deps.pool, person_id(request.account), 0).await?.events;
        let held = events.iter().rev().find_map(|event| match event.event_type.as_str() {
            "HoldPlaced" => Some(true),
            "HoldReleased" => Some(false),
            _ => None,
        });
        let standing = self.deps.keys.standing(request.account).await?;
        if held == Some(true) || (held.is_none() && standing.contains(&Standing::Sealed)) {
            return Ok(Outcome::Held);
        }
        if standing.contains(&Standing::Sealed) {
            return Ok(Outcome::Wait("the release of the hold to reach the key store".to_owned()));
        }
        let head = log::head(&self.deps.pool).await?;
        Ok(Outcome::Done(json!({ "position": head.position })))
    }

    pub(super) async fn restrict(&self, request: &ForgetRequest) -> Result<Outcome, LifecycleError> {
        let command = AccountCommand::Leave(LeaveAccount);
        let asked = by_the_system(request, request.account, "restrict");
        let word = AccountCommandKind::Leave.name();
        let left = self.deps.executor.execute::<Account>(asked, word, Ok(command)).await;
        let position = match left {
            Ok(answer) => answer.position,
            // After a restore to before the registration: there is nobody to hide.
            Err(CommandError::Rejected(Rejection { kind: RejectionKind::Missing, .. })) => 0,
            Err(error) => return Err(error.into()),
        };
        Ok(Outcome::Done(json!({ "position": position })))
    }

    /// The ledger first: were it the other way round, a restore in between would bring the person
    /// back for good.
    pub(super) async fn shred(&self, request: &ForgetRequest) -> Result<Outcome, LifecycleError> {
        let standing = self.deps.keys.standing(request.account).await?;
        if standing.contains(&Standing::Sealed) {
            return Ok(Outcome::Held);
        }
        let line =
            LedgerLine { account: request.account, content: request.content, at: request.requested_at };
        self.deps.ledger.add(line).await?;
        crash_point!("forget.ledger");
        let erasure = self.deps.keys.erase(request.account, request.content.classes()).await?;
        if !erasure.held.is_empty() {
            return Ok(Outcome::Held);
        }
        (self.deps.announce)();
        Ok(Outcome::Done(json!({
            "keys": erasure.destroyed,
            "classes": request.content.classes().len(),
            "erased_before": erasure.already.len(),
        })))
    }

    pub(super) async fn record(&self, request: &ForgetRequest) -> Result<Outcome, LifecycleError> {
        let classes = request.content.classes().to_vec();
        let command =
            PersonCommand::RecordForgotten(RecordForgotten { account_id: request.account, classes });
        let asked = by_the_system(request, person_id(request.account), "record");
        let word = PersonCommandKind::RecordForgotten.name();
        let position = match self.deps.executor.execute::<Person>(asked, word, Ok(command)).await {
            Ok(answer) => answer.position,
            Err(CommandError::Rejected(Rejection { kind: RejectionKind::Missing, .. })) => 0,
            Err(error) => return Err(error.into()),
        };
        Ok(Outcome::Done(json!({ "position": position })))
    }

    pub(super) async fn leftovers(&self, request: &ForgetRequest) -> Result<Outcome, LifecycleError> {
        let gone = sqlx::query!(
            r#"select of_reservations as "reservations!", of_receipts as "receipts!", of_snapshots as "snapshots!"
               from forget_leftovers($1, $2)"#,
            request.request,
            person_id(request.account)
        )
        .fetch_one(&self.deps.pool)
        .await?;
        Ok(Outcome::Done(json!({
            "reservations": gone.reservations, "receipts": gone.receipts, "snapshots": gone.snapshots,
        })))
    }

    /// The first that is stored stays: two at once sign one certificate.
    pub(super) async fn certificate(
        &self,
        request: &ForgetRequest,
        last: bool,
    ) -> Result<Outcome, LifecycleError> {
        let step = if last { Step::SecondScan } else { Step::Scan };
        let scan = request.step(step.name()).map(|done| done.detail.clone()).unwrap_or_default();
        let scan: ScanReport = serde_json::from_value(scan)
            .map_err(|_| LifecycleError::Other("the scan's report has another shape".to_owned()))?;
        let shredded = request.step(Step::Shred.name()).map(|done| done.done_at);
        let shredded_at = shredded.unwrap_or(request.requested_at);
        let kept =
            chrono::TimeDelta::from_std(self.deps.key_backups_kept).unwrap_or(chrono::TimeDelta::days(7));
        let expire = shredded_at + kept;
        // A key-encryption key that was destroyed since takes all older backups with it.
        let (gone_at, gone_by) = match self.deps.keys.old_keks_gone_at(shredded_at).await? {
            Some(at) if at < expire => (at, "key-encryption key destroyed"),
            _ => (expire, "backups expire"),
        };
        let head = log::head(&self.deps.pool).await?;
        let steps = request.steps.iter().filter(|done| !done.step.ends_with("scan"));
        let certificate = Certificate {
            format: 1,
            finality: if last { Finality::Final } else { Finality::Provisional },
            request: request.request,
            content: request.content,
            classes: request.content.classes().to_vec(),
            requested_at: request.requested_at,
            shredded_at,
            issued_at: self.deps.clock.now(),
            epoch: head.epoch,
            position_before: request.number(Step::Hold.name(), "position"),
            position_after: head.position,
            steps: steps
                .map(|done| StepLine {
                    step: done.step.clone(),
                    done_at: done.done_at,
                    detail: done.detail.clone(),
                })
                .collect(),
            scan,
            key_backups_gone_at: gone_at,
            key_backups_gone_by: gone_by.to_owned(),
            public_key: String::new(),
            signature: String::new(),
        };
        let text = certificate.sign(&self.deps.certificate_key)?.json()?;
        let stored = match last {
            false => sqlx::query!(
                "update forget_requests set provisional = coalesce(provisional, $2) where request = $1",
                request.request,
                text
            ),
            true => sqlx::query!(
                "update forget_requests set final = coalesce(final, $2) where request = $1",
                request.request,
                text
            ),
        };
        stored.execute(&self.deps.pool).await?;
        Ok(Outcome::Done(json!({ "key": hex::encode(self.deps.certificate_key.public().as_bytes()) })))
    }

    /// Nothing of the person opens any more, asked as every reader asks.
    pub(super) async fn verify(&self, request: &ForgetRequest) -> Result<Outcome, LifecycleError> {
        let standing = self.deps.keys.standing(request.account).await?;
        let wanted = request.content.classes();
        let live = Class::ALL
            .into_iter()
            .zip(standing)
            .filter(|(class, standing)| wanted.contains(class) && *standing != Standing::Erased)
            .count();
        if live > 0 {
            return Err(LifecycleError::NotErased(format!("{live} classes of keys are not erased")));
        }
        let mut ids = vec![request.account, person_id(request.account)];
        ids.extend(super::collect::messages_of(&self.deps.pool, request.account).await?);
        let (mut events_read, mut opened) = (0, 0);
        for ids in ids.chunks(200) {
            let mut events = log::load_streams(&self.deps.pool, ids).await?;
            self.deps.sealer.open_events(&mut events).await?;
            events_read += events.len();
            for event in &events {
                let text = event.payload.get();
                // Kept content opens; nothing else of the person may.
                let about = wanted.iter().any(|class| {
                    text.contains("\"$opened\"")
                        && text.contains(&format!("\"class\":\"{}\"", class.as_str()))
                        && text.contains(&format!("\"subject\":\"{}\"", request.account))
                });
                opened += usize::from(about);
            }
        }
        if opened > 0 {
            return Err(LifecycleError::NotErased(format!("{opened} events of the person can be read")));
        }
        Ok(Outcome::Done(json!({ "events": events_read, "readable": 0 })))
    }

    /// From which position on the person is hidden.
    pub(super) fn hidden_at(request: &ForgetRequest) -> Position {
        request.number(Step::Restrict.name(), "position").max(request.number(Step::Record.name(), "position"))
    }
}
