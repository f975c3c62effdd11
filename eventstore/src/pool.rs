use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI32, Ordering},
    },
    time::Duration,
};

use sqlx::{
    Connection, PgConnection, PgPool, Postgres,
    pool::PoolConnection,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use crate::StoreError;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);

/// The pool of connections to the log. Cheap to clone.
#[derive(Clone)]
pub struct LogPool {
    pub(crate) pool: PgPool,
    pub(crate) fence: Fence,
}

impl LogPool {
    #[must_use]
    pub const fn pg(&self) -> &PgPool {
        &self.pool
    }

    /// A connection. A pool only says that it took too long when every server it reached was
    /// refused; here the refusal is told as what it is.
    pub(crate) async fn acquire(&self) -> Result<PoolConnection<Postgres>, sqlx::Error> {
        self.pool.acquire().await.map_err(|error| match error {
            sqlx::Error::PoolTimedOut if self.fence.refuses() => not_our_server(),
            error => error,
        })
    }

    /// Connections of its own to the same server, made when they are first used and checked like
    /// all.
    pub(crate) fn apart(&self, max_connections: u32) -> Self {
        let options = self.pool.connect_options().as_ref().clone();
        let pool = checked(&self.fence, max_connections).connect_lazy_with(options);
        Self { pool, fence: self.fence.clone() }
    }

    /// The epoch every new connection was checked against.
    #[must_use]
    pub fn epoch(&self) -> i32 {
        self.fence.epoch()
    }

    #[must_use]
    pub const fn fence(&self) -> &Fence {
        &self.fence
    }
}

/// Which epoch this process works in. Set by the first connection, never moved by itself: a
/// process that finds another epoch stops and is started again.
#[derive(Clone, Default)]
pub struct Fence(Arc<Known>);

#[derive(Default)]
struct Known {
    epoch: AtomicI32,
    /// The last connection that was looked at was refused.
    refused: AtomicBool,
}

impl Fence {
    /// 0 before the first connection.
    #[must_use]
    pub fn epoch(&self) -> i32 {
        self.0.epoch.load(Ordering::SeqCst)
    }

    fn refuses(&self) -> bool {
        self.0.refused.load(Ordering::SeqCst)
    }

    /// Compares `log_head` with the server this connection reached. A promoted replica carries
    /// the same head row but another timeline; a restored cluster another system identifier.
    pub(crate) async fn check(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let row = sqlx::query!(
            r#"select h.epoch,
                      (h.system_identifier = c.system_identifier and h.timeline = current_timeline())
                          as "same!"
               from log_head h, pg_control_system() c
               where not pg_is_in_recovery()"#
        )
        .fetch_optional(&mut *connection)
        .await?;
        let known = self.epoch();
        let ours = row.filter(|row| row.same && (known == 0 || known == row.epoch));
        self.0.refused.store(ours.is_none(), Ordering::SeqCst);
        let epoch = ours.ok_or_else(not_our_server)?.epoch;
        self.0.epoch.store(epoch, Ordering::SeqCst);
        Ok(())
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the server behind this connection is not the one the log's epoch belongs to")]
pub(crate) struct NotOurServer;

fn not_our_server() -> sqlx::Error {
    sqlx::Error::Configuration(Box::new(NotOurServer))
}

/// Opens a pool whose every connection is checked against the epoch.
///
/// # Errors
/// [`StoreError::Fenced`] when the server is another than the epoch's, [`StoreError::Unavailable`]
/// when it cannot be reached within five seconds.
pub async fn connect_log(options: PgConnectOptions, max_connections: u32) -> Result<LogPool, StoreError> {
    let fence = Fence::default();
    // Outside the pool first: a pool tries a refused server again until its time is over, and then
    // says only that it took too long. What else is wrong the pool may find out with patience.
    let first = tokio::time::timeout(CONNECT, PgConnection::connect_with(&options));
    if let Ok(Ok(mut first)) = first.await {
        fence.check(&mut first).await?;
        // A server that does not take the goodbye has ended the connection by itself.
        let _ = first.close().await;
    }
    let pool = checked(&fence, max_connections).min_connections(1).connect_with(options).await?;
    Ok(LogPool { pool, fence })
}

fn checked(fence: &Fence, max_connections: u32) -> PgPoolOptions {
    let checked = fence.clone();
    PgPoolOptions::new()
        .max_connections(max_connections)
        .acquire_timeout(CONNECT)
        .test_before_acquire(false)
        .after_connect(move |connection, _| {
            let fence = checked.clone();
            Box::pin(async move { fence.check(connection).await })
        })
}
