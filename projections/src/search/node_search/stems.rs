use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
};

use sqlx::PgConnection;

use super::texts::ends_of;

/// Words that are remembered; then all are forgotten. Too few: the usual words are asked for again
/// and again; too many: memory, about 300 bytes each.
const REMEMBERED: usize = 50_000;

/// What Postgres makes of one folded word.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Stem {
    /// As it is: names are found by their beginning, too. Nothing for what Postgres takes for no
    /// word.
    pub plain: Vec<String>,
    /// Stemmed; nothing for a stop word.
    pub stemmed: Vec<String>,
    /// Of the word's ends.
    pub ends: Vec<String>,
}

pub(super) type Known = HashMap<String, Arc<Stem>>;

/// What Postgres makes of words, asked once per word: the same few thousand make nearly every text,
/// and stemming them again for every node was most of what a node's row cost.
#[derive(Debug, Default)]
pub(super) struct Stems(Mutex<Known>);

impl Stems {
    /// # Errors
    /// The database cannot be asked.
    pub async fn of(
        &self,
        connection: &mut PgConnection,
        words: HashSet<&str>,
    ) -> Result<Known, sqlx::Error> {
        let mut known = Known::with_capacity(words.len());
        let mut unknown = Vec::new();
        {
            // A poisoned lock holds words that are as good as before.
            let remembered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            for word in words {
                if let Some(stem) = remembered.get(word) {
                    known.insert(word.to_owned(), Arc::clone(stem));
                } else if is_number(word) {
                    known.insert(word.to_owned(), Arc::new(number(word)));
                } else {
                    unknown.push(word.to_owned());
                }
            }
        }
        if unknown.is_empty() {
            return Ok(known);
        }
        let ends: Vec<String> = unknown.iter().map(|word| ends_of(word).join(" ")).collect();
        let asked = sqlx::query!(
            r#"select w.word as "word!",
                      tsvector_to_array(to_tsvector('pg_catalog.simple', w.word)) as "plain!",
                      tsvector_to_array(to_tsvector('pg_catalog.german', w.word)) as "stemmed!",
                      tsvector_to_array(to_tsvector('pg_catalog.german', w.ends)) as "ends!"
               from unnest($1::text[], $2::text[]) as w (word, ends)"#,
            &unknown,
            &ends
        )
        .fetch_all(connection)
        .await?;
        let mut remembered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() + asked.len() > REMEMBERED {
            remembered.clear();
        }
        for row in asked {
            let stem = Arc::new(Stem { plain: row.plain, stemmed: row.stemmed, ends: row.ends });
            remembered.insert(row.word.clone(), Arc::clone(&stem));
            known.insert(row.word, stem);
        }
        Ok(known)
    }
}

/// House numbers and years would fill the memory, and nobody stems them.
fn is_number(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_digit())
}

fn number(word: &str) -> Stem {
    Stem { plain: vec![word.to_owned()], stemmed: vec![word.to_owned()], ends: ends_of(word) }
}
