use eventstore::{log, seal::Sealer};
use kernel::Position;
use sqlx::{Executor, PgConnection, PgPool, Row};
use uuid::Uuid;

use super::{
    fold::{EMAIL, Fold, GUEST_NODES, Wanted},
    read,
};
use crate::Failure;

/// More than this is read before the lock, not under it.
const UNDER_LOCK: i64 = 5_000;
const ROWS: usize = 10_000;
/// How often the lock is tried while registrations keep coming.
const ATTEMPTS: usize = 10;

/// How the rows of one scope differ from what they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Changes {
    pub right: i64,
    pub missing: i64,
    pub wrong: i64,
    pub superfluous: i64,
}

pub struct Exchanged {
    pub scopes: Vec<(&'static str, Changes)>,
    pub shared: Vec<[Uuid; 2]>,
}

/// Reads the last events under a lock that every append with a reservation waits for, so that
/// nothing is missed, then exchanges the rows. With `check` everything is taken back.
pub async fn exchange(
    owner: &PgPool,
    sealer: &Sealer,
    mut fold: Fold<'_>,
    mut position: Position,
    check: bool,
) -> Result<(Position, Exchanged), Failure> {
    let quiet = |_| {};
    for _ in 0..ATTEMPTS {
        let mut transaction = owner.begin_with("begin; set local lock_timeout = '5s'").await?;
        transaction.execute("lock table reservations in share row exclusive mode").await?;
        let head = log::head(&mut *transaction).await?.position;
        if head - position > UNDER_LOCK {
            transaction.rollback().await?;
            position = read::read(owner, sealer, &mut fold, position, head, &quiet).await?;
            continue;
        }
        // On other connections of the pool: the log itself is not locked.
        position = read::read(owner, sealer, &mut fold, position, head, &quiet).await?;
        let (wanted, shared) = fold.wanted();
        stage(&mut transaction, &wanted).await?;
        let mut scopes = Vec::new();
        for scope in [EMAIL, GUEST_NODES] {
            scopes.push((scope, compare(&mut transaction, scope).await?));
        }
        if check {
            transaction.rollback().await?;
        } else {
            write(&mut transaction).await?;
            transaction.commit().await?;
        }
        return Ok((position, Exchanged { scopes, shared }));
    }
    Err(Failure::could_not_run("events keep coming faster than they can be read: try again later"))
}

async fn stage(connection: &mut PgConnection, wanted: &[Wanted]) -> Result<(), Failure> {
    // A table of this transaction cannot be known when the program is compiled.
    connection
        .execute(
            "create temporary table wanted_reservations
                 (scope text collate \"C\", key_hash bytea, owner uuid, count bigint, primary key (scope, key_hash))
             on commit drop",
        )
        .await?;
    for rows in wanted.chunks(ROWS) {
        sqlx::query(include_str!("sql/stage.sql"))
            .bind(rows.iter().map(|row| row.scope).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| &row.hash[..]).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| row.owner).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| row.count).collect::<Vec<_>>())
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

async fn compare(connection: &mut PgConnection, scope: &str) -> Result<Changes, Failure> {
    // A counter at zero says the same as none.
    let row = sqlx::query(
        "select count(*) filter (where w.owner = r.owner and w.count = r.count),
                count(*) filter (where r.owner is null and w.count > 0),
                count(*) filter (where r.owner is not null and (w.owner, w.count) is distinct from (r.owner, r.count)
                                   and w.owner is not null),
                count(*) filter (where w.owner is null and r.count > 0)
         from (select * from wanted_reservations where scope = $1) w
         full join (select * from reservations where scope = $1) r using (key_hash)",
    )
    .bind(scope)
    .fetch_one(connection)
    .await?;
    Ok(Changes { right: row.get(0), missing: row.get(1), wrong: row.get(2), superfluous: row.get(3) })
}

async fn write(connection: &mut PgConnection) -> Result<(), Failure> {
    sqlx::query("delete from reservations where scope = any($1)")
        .bind([EMAIL, GUEST_NODES].as_slice())
        .execute(&mut *connection)
        .await?;
    connection
        .execute(
            "insert into reservations (scope, key_hash, owner, count)
             select scope, key_hash, owner, count from wanted_reservations",
        )
        .await?;
    Ok(())
}
