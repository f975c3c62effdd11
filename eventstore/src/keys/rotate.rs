use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use kernel::{Class, crash_point};
use sqlx::PgPool;
use uuid::Uuid;

use super::{
    Kek, KekRing, KeyEncryption, KeyError, KeyRequest,
    loader::{HASH_KEY, bound, by_id},
    ring,
};

/// Keys wrapped again by one transaction. More: an erasure waits longer for a row; fewer: more
/// round trips, 1,000 keys take some 10 ms.
const BATCH: i64 = 1_000;

/// Exchanges the key-encryption key while processes go on reading and making keys.
///
/// 1. a new key is made beside the file (`.next`), and every key is wrapped again under it;
/// 2. the key store is told that it holds: from here on nothing is wrapped under the old one;
/// 3. what was made meanwhile is wrapped again, and none is left;
/// 4. the files change places: the new one under the name, the old one as `.previous.<id>`;
/// 5. if wished, the old one is destroyed: then older backups of the key store open nothing.
///
/// Whichever step it dies in, the same call goes on. As the owner of the keys database.
pub struct Rotation {
    owner: PgPool,
    file: PathBuf,
}

/// What a rotation did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotated {
    pub from: String,
    pub to: String,
    /// Keys wrapped again by this call; those of an interrupted one are not counted.
    pub wrapped: u64,
    pub destroyed: bool,
}

/// How many keys there are under one key-encryption key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KekCount {
    /// `None`: erased.
    pub kek_id: Option<String>,
    pub keys: i64,
    pub holds: bool,
    pub old_destroyed_at: Option<DateTime<Utc>>,
}

/// Keys by the key-encryption key they are wrapped under.
///
/// # Errors
/// [`KeyError::Database`].
pub async fn kek_counts(owner: &PgPool) -> Result<Vec<KekCount>, KeyError> {
    let rows = sqlx::query!(
        r#"select k.kek_id as "kek_id?", k.n as "n!", coalesce(k.kek_id = c.kek_id, false) as "holds!",
                  r.old_destroyed_at as "old_destroyed_at?"
           from (select kek_id, count(*) as n from keys.subject_keys group by kek_id) k
           cross join keys.control c
           left join keys.rotations r on r.kek_id = k.kek_id
           order by k.kek_id nulls last"#
    )
    .fetch_all(owner)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| KekCount {
            kek_id: row.kek_id,
            keys: row.n,
            holds: row.holds,
            old_destroyed_at: row.old_destroyed_at,
        })
        .collect())
}

impl Rotation {
    /// `file` is `KEK_FILE`; a key given by the variable `KEK` cannot be exchanged by us.
    #[must_use]
    pub const fn new(owner: PgPool, file: PathBuf) -> Self {
        Self { owner, file }
    }

    /// # Errors
    /// [`KeyError::OtherKek`] when a key is wrapped under a key-encryption key that is in none of
    /// the files; nothing is lost, and nothing was destroyed.
    pub async fn run(&self, destroy_old: bool, progress: &(dyn Fn(u64) + Sync)) -> Result<Rotated, KeyError> {
        let kek = KekRing::load(None, &self.file)?;
        let holds = sqlx::query_scalar!("select kek_id from keys.control").fetch_one(&self.owner).await?;
        let next = ring::next(&self.file);
        // Told, but the files have not changed places: that rotation is the one to end.
        let unfinished = holds.is_some() && fs::symlink_metadata(&next).is_ok();
        let from = holds.unwrap_or_else(|| kek.current().id().to_owned());
        let to: Arc<dyn KeyEncryption> = Arc::new(Kek::from_file(&next)?);
        crash_point!("keys.next-made");
        let from =
            if unfinished && from == to.id() { self.before(to.id()).await?.unwrap_or(from) } else { from };
        sqlx::query!("insert into keys.rotations (kek_id) values ($1) on conflict do nothing", to.id())
            .execute(&self.owner)
            .await?;
        let mut wrapped = self.wrap_all(&kek, &*to, 0, progress).await?;
        crash_point!("keys.wrapped");
        // Waits for whoever is about to insert a key under the old one.
        sqlx::query!("update keys.control set kek_id = $1", to.id()).execute(&self.owner).await?;
        crash_point!("keys.told");
        wrapped += self.wrap_all(&kek, &*to, wrapped, progress).await?;
        self.promote(&next)?;
        crash_point!("keys.promoted");
        sqlx::query!(
            "update keys.rotations set finished_at = coalesce(finished_at, clock_timestamp()) where kek_id = $1",
            to.id()
        )
        .execute(&self.owner)
        .await?;
        if destroy_old {
            self.destroy_previous().map_err(|error| self.file_error(error))?;
            crash_point!("keys.destroyed");
            sqlx::query!(
                "update keys.rotations set old_destroyed_at = coalesce(old_destroyed_at, clock_timestamp())
                 where kek_id = $1",
                to.id()
            )
            .execute(&self.owner)
            .await?;
        }
        Ok(Rotated { from, to: to.id().to_owned(), wrapped, destroyed: destroy_old })
    }

    /// The key that held before `id`, for the report of a rotation that is ended.
    async fn before(&self, id: &str) -> Result<Option<String>, KeyError> {
        let file = Kek::from_file(&self.file)?;
        Ok((file.id() != id).then(|| file.id().to_owned()))
    }

    async fn wrap_all(
        &self,
        kek: &KekRing,
        to: &dyn KeyEncryption,
        before: u64,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<u64, KeyError> {
        let mut done = 0;
        loop {
            let count = self.wrap_some(kek, to).await?;
            if count == 0 {
                break;
            }
            done += count;
            progress(before + done);
            crash_point!("keys.batch");
        }
        let secrets =
            sqlx::query!("select name, wrapped, kek_id from keys.secrets where kek_id <> $1", to.id())
                .fetch_all(&self.owner)
                .await?;
        for secret in secrets {
            let bound = secret.name.as_bytes();
            debug_assert_eq!(secret.name, HASH_KEY);
            let plain = by_id(kek, &secret.kek_id)?
                .unwrap(&secret.wrapped, bound)
                .map_err(|_| KeyError::DamagedHashKey)?;
            sqlx::query!(
                "update keys.secrets set wrapped = $2, kek_id = $3 where name = $1 and kek_id = $4",
                secret.name,
                to.wrap(&plain, bound)?,
                to.id(),
                secret.kek_id
            )
            .execute(&self.owner)
            .await?;
        }
        Ok(done)
    }

    /// One batch; 0 when none is left.
    async fn wrap_some(&self, kek: &KekRing, to: &dyn KeyEncryption) -> Result<u64, KeyError> {
        let mut transaction = self.owner.begin().await?;
        let rows = sqlx::query!(
            r#"select id, subject, class, year, wrapped as "wrapped!", kek_id as "kek_id!"
               from keys.subject_keys where wrapped is not null and kek_id <> $1
               order by subject, class, year limit $2 for update"#,
            to.id(),
            BATCH
        )
        .fetch_all(&mut *transaction)
        .await?;
        let (mut ids, mut wrapped): (Vec<Uuid>, Vec<Vec<u8>>) = (Vec::new(), Vec::new());
        for row in rows {
            let class = Class::parse(&row.class).ok_or(KeyError::Damaged(row.id))?;
            let bound = bound(row.id, &KeyRequest { subject: row.subject, class, year: row.year });
            let plain = by_id(kek, &row.kek_id)?
                .unwrap(&row.wrapped, &bound)
                .map_err(|_| KeyError::Damaged(row.id))?;
            wrapped.push(to.wrap(&plain, &bound)?);
            ids.push(row.id);
        }
        if ids.is_empty() {
            return Ok(0);
        }
        // The rows are held since they were read: none was erased in between.
        let done = sqlx::query!(
            "update keys.subject_keys k set wrapped = w.wrapped, kek_id = $3
             from unnest($1::uuid[], $2::bytea[]) as w (id, wrapped) where k.id = w.id",
            &ids,
            &wrapped,
            to.id()
        )
        .execute(&mut *transaction)
        .await?
        .rows_affected();
        transaction.commit().await?;
        Ok(done)
    }

    /// The new key under the file's name, the old one beside it. Each name always leads to a whole
    /// key: linked first, replaced by one rename.
    fn promote(&self, next: &Path) -> Result<(), KeyError> {
        let old = Kek::from_file(&self.file)?;
        let previous = ring::previous(&self.file, old.id());
        let change = || -> io::Result<()> {
            match fs::hard_link(&self.file, &previous) {
                Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
            crash_point!("keys.linked");
            fs::rename(next, &self.file)?;
            sync_folder(&self.file)
        };
        change().map_err(|error| self.file_error(error))
    }

    fn destroy_previous(&self) -> io::Result<()> {
        ring::all_previous(&self.file)?.iter().try_for_each(|path| destroy(path))
    }

    fn file_error(&self, error: io::Error) -> KeyError {
        KeyError::KekFile { path: self.file.clone(), error: Arc::new(error) }
    }
}

/// Overwrites before removing. On a disk that writes elsewhere (flash, copy-on-write) old bytes can
/// stay for a while: the documents say so.
fn destroy(path: &Path) -> io::Result<()> {
    let metadata = fs::symlink_metadata(path)?;
    // Another name for the same bytes is in use: only this name goes.
    if metadata.nlink() == 1 {
        let length = usize::try_from(metadata.len()).unwrap_or_default();
        let mut file = OpenOptions::new().write(true).open(path)?;
        file.write_all(&vec![0; length])?;
        file.sync_all()?;
    }
    fs::remove_file(path)?;
    sync_folder(path)
}

fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}
