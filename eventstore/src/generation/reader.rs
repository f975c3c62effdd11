use std::sync::Arc;

use kernel::{Position, RecordedEvent};
use sqlx::PgPool;
use tokio::task::JoinHandle;

use crate::{
    StoreError,
    log::{self, PageLimit},
};

/// Pages of the log, the next one read while the present one is applied.
pub(super) struct Reader {
    pool: PgPool,
    after: Position,
    ahead: Option<JoinHandle<Result<Vec<RecordedEvent>, StoreError>>>,
}

impl Reader {
    pub const fn new(pool: PgPool, after: Position) -> Self {
        Self { pool, after, ahead: None }
    }

    /// The next page; empty at the log's end.
    pub async fn next(&mut self) -> Result<Arc<Vec<RecordedEvent>>, StoreError> {
        let page = match self.ahead.take() {
            Some(page) => {
                page.await.map_err(|_| StoreError::Internal("reading ahead was cancelled".into()))??
            }
            None => log::read_page(&self.pool, self.after, PageLimit::REBUILD).await?,
        };
        if let Some(last) = page.last() {
            self.after = last.position;
            // A short page is the log's end: reading on would only come too early.
            if page.len() as i64 >= PageLimit::TAIL.events {
                let (pool, after) = (self.pool.clone(), self.after);
                self.ahead =
                    Some(tokio::spawn(async move { log::read_page(&pool, after, PageLimit::REBUILD).await }));
            }
        }
        Ok(Arc::new(page))
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if let Some(page) = &self.ahead {
            page.abort();
        }
    }
}
