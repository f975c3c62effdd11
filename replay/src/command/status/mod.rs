//! `replay status`: one look at everything.

mod gather;
mod lines;
mod report;

use super::Context;
use crate::{Answer, Failure, interrupt::or_interrupted};

pub async fn run(context: Context<'_>) -> Result<Answer, Failure> {
    let looking = Box::pin(gather::gather(context));
    let report = or_interrupted(context.stop, "nothing was changed", looking).await?;
    let lines = lines::lines(&report);
    Ok(Answer::new(&report).lines(lines))
}
