use std::{fmt, time::Duration};

use kernel::Position;
use meilisearch_sdk::{
    client::{Client, SwapIndexes},
    documents::DocumentsQuery,
    errors::Error,
    indexes::Index,
    search::{MatchingStrategies, SearchQuery as Asked, Selectors},
    task_info::TaskInfo,
    tasks::TasksDeleteQuery,
};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::{
    ENGINE,
    answer::{TaskState, is_of_a_document, of_error, of_failed_task, task_state},
    http::Http,
    query::{self, Found, TITLES},
    sent::Sent,
    settings::settings,
};
use crate::search::{
    Hit, Line, Refused, SearchQuery,
    outside::{
        EngineError, Mark, Outside, OutsideFuture,
        batch::{Batch, Verdicts},
        document::{MARK, MarkDocument},
        engine::one_more,
        http,
    },
};

/// The SDK would wait 5 s; a first bulk on a busy server takes longer.
const TASK: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_millis(25);
/// Documents of one page when all are listed.
const PAGE: usize = 5_000;

/// The client of one Meilisearch. Readers ask the index `<namespace>_nodes`, the other generation
/// is in `<namespace>_nodes_beside`.
#[derive(Clone)]
pub struct MeiliSearch {
    namespace: String,
    url: String,
    live: String,
    beside: String,
    http: Http,
    /// For bulks, tasks and settings.
    patient: Client<Http>,
    /// For readers.
    quick: Client<Http>,
}

impl fmt::Debug for MeiliSearch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MeiliSearch").field("live", &self.live).finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct Listed {
    id: String,
    #[serde(default)]
    _pos: Position,
}

impl MeiliSearch {
    /// Connects to nobody yet.
    ///
    /// # Errors
    /// [`EngineError::Away`] when the URL cannot be used.
    pub fn new(url: &str, key: &str, namespace: &str) -> Result<Self, EngineError> {
        let url = url.trim_end_matches('/').to_owned();
        let patient = Http::new(http::client(http::PATIENT)?, key.to_owned());
        let quick = Http::new(http::client(http::QUICK)?, key.to_owned());
        let none = None::<String>;
        Ok(Self {
            namespace: namespace.to_owned(),
            live: format!("{namespace}_nodes"),
            beside: format!("{namespace}_nodes_beside"),
            patient: Client::new_with_client(&url, none.clone(), patient),
            quick: Client::new_with_client(&url, none, quick.clone()),
            http: quick,
            url,
        })
    }

    fn index(&self, uid: &str) -> Index<Http> {
        self.patient.index(uid)
    }

    async fn mark_in(&self, uid: &str) -> Result<Option<Mark>, EngineError> {
        match self.quick.index(uid).get_document::<MarkDocument>(MARK).await {
            Ok(mark) => Ok(mark.read()),
            Err(error) => match of_error(&error) {
                EngineError::Missing => Ok(None),
                error => Err(error),
            },
        }
    }

    /// The index this generation is in. Asked each time: another process may have swapped.
    async fn place(&self, generation: i32) -> Result<&str, EngineError> {
        for uid in [&self.live, &self.beside] {
            if self.mark_in(uid).await?.is_some_and(|mark| mark.generation == generation) {
                return Ok(uid);
            }
        }
        Err(EngineError::Missing)
    }

    /// How a task ended.
    async fn settled(&self, task: Result<TaskInfo, Error>) -> Result<TaskState, EngineError> {
        let task = task.map_err(|error| of_error(&error))?;
        let (url, since) = (format!("{}/tasks/{}", self.url, task.task_uid), Instant::now());
        loop {
            let task: Value = self.http.get(&url).await?;
            match task_state(&task)? {
                TaskState::Waiting if since.elapsed() < TASK => sleep(LOOK).await,
                TaskState::Waiting => return Err(EngineError::Task("unfinished".to_owned())),
                state => return Ok(state),
            }
        }
    }

    async fn done(&self, task: Result<TaskInfo, Error>) -> Result<(), EngineError> {
        match self.settled(task).await? {
            TaskState::Failed(code) => Err(of_failed_task(&code)),
            TaskState::Canceled => Err(EngineError::Task("canceled".to_owned())),
            TaskState::Succeeded | TaskState::Waiting => Ok(()),
        }
    }

    /// As [`Self::done`]; what was not there need not be dropped.
    async fn gone(&self, task: Result<TaskInfo, Error>) -> Result<(), EngineError> {
        match self.done(task).await {
            Err(EngineError::Missing) => Ok(()),
            other => other,
        }
    }

    /// One bad document fails its whole bulk: then it is halved until the bad ones are alone.
    async fn put(&self, uid: &str, documents: &[Sent<'_>]) -> Result<Verdicts, EngineError> {
        let mut verdicts = vec![Ok(()); documents.len()];
        let mut parts = vec![(0, documents.len())];
        while let Some((from, to)) = parts.pop() {
            if from == to {
                continue;
            }
            let task = self.index(uid).add_or_replace(&documents[from..to], Some("id")).await;
            match self.settled(task).await? {
                TaskState::Succeeded | TaskState::Waiting => {}
                TaskState::Canceled => return Err(EngineError::Task("canceled".to_owned())),
                TaskState::Failed(code) if !is_of_a_document(&code) => return Err(of_failed_task(&code)),
                TaskState::Failed(code) if to - from == 1 => verdicts[from] = Err(Refused(code)),
                TaskState::Failed(_) => {
                    let middle = from + (to - from) / 2;
                    parts.extend([(from, middle), (middle, to)]);
                }
            }
        }
        Ok(verdicts)
    }

    async fn write_all(
        &self,
        generation: i32,
        lines: &[Line],
        mark: Option<Mark>,
    ) -> Result<Verdicts, EngineError> {
        let uid = self.place(generation).await?;
        let batch = Batch::of(lines);
        let documents: Vec<Sent<'_>> = batch.documents().map(Sent::of).collect();
        let gone: Vec<String> = batch.gone().iter().map(Uuid::to_string).collect();
        if !gone.is_empty() {
            self.done(self.index(uid).delete_documents(&gone).await).await?;
        }
        let verdicts = self.put(uid, &documents).await?;
        if let Some(mark) = mark {
            let mark = MarkDocument::from(mark);
            self.done(self.index(uid).add_or_replace(&[mark], Some("id")).await).await?;
        }
        Ok(batch.verdicts(verdicts))
    }

    async fn prepare_beside(&self, generation: i32) -> Result<(), EngineError> {
        self.forget_old_tasks().await?;
        // A swap wants both to be there.
        if self.quick.get_raw_index(&self.live).await.is_err() {
            self.create(&self.live).await?;
        }
        self.gone(self.index(&self.beside).delete().await).await?;
        self.create(&self.beside).await?;
        self.done(self.index(&self.beside).set_settings(&settings()).await).await?;
        let mark = MarkDocument::from(Mark::beginning(generation, 0));
        self.done(self.index(&self.beside).add_or_replace(&[mark], Some("id")).await).await
    }

    async fn create(&self, uid: &str) -> Result<(), EngineError> {
        match self.done(self.patient.create_index(uid, Some("id")).await).await {
            // Somebody else was faster.
            Err(EngineError::Task(code)) if code.contains("index_already_exists") => Ok(()),
            other => other,
        }
    }

    /// Every write leaves a task behind; ours are read by then.
    async fn forget_old_tasks(&self) -> Result<(), EngineError> {
        let mut old = TasksDeleteQuery::new(&self.patient);
        old.with_statuses(["succeeded", "failed", "canceled"]).with_index_uids([&*self.live, &*self.beside]);
        self.done(self.patient.delete_tasks_with(&old).await).await
    }

    async fn swap(&self, generation: i32) -> Result<(), EngineError> {
        // Nothing may be under way: a task that waits would come to the other index.
        if self.place(generation).await? == self.live {
            return Ok(());
        }
        let swap = SwapIndexes { indexes: (self.live.clone(), self.beside.clone()), rename: None };
        self.done(self.patient.swap_indexes([&swap]).await).await
    }

    fn mark_search<'a>(index: &'a Index<Http>) -> Asked<'a, Http> {
        let mut mark = Asked::new(index);
        mark.with_filter("id = mark").with_limit(1);
        mark
    }

    async fn find(
        &self,
        query: &SearchQuery,
        words: &[String],
        skip: u32,
    ) -> Result<(Mark, Vec<Hit>), EngineError> {
        let index = self.quick.index(&self.live);
        let (text, filter, sort) = (words.join(" "), query::filter(query), query::sort(query));
        let sort: Vec<&str> = sort.iter().map(String::as_str).collect();
        let mut asked = Asked::new(&index);
        asked
            .with_query(&text)
            .with_filter(&filter)
            .with_sort(&sort)
            .with_matching_strategy(MatchingStrategies::ALL)
            .with_attributes_to_retrieve(Selectors::Some(&["node"]))
            .with_show_ranking_score(true)
            .with_offset(skip as usize)
            .with_limit(one_more(query));
        let mut both = self.quick.multi_search();
        both.with_search_query(Self::mark_search(&index)).with_search_query(asked);
        let answer = both.execute::<Found>().await.map_err(|error| of_error(&error))?;
        let (mark, found) = query::split(answer.results)?;
        Ok((mark, query::hits(found)))
    }

    async fn find_titles(&self, prefix: &str) -> Result<(Mark, Vec<String>), EngineError> {
        let index = self.quick.index(&self.live);
        let mut asked = Asked::new(&index);
        asked
            .with_query(prefix)
            .with_filter("seen_by = everybody")
            .with_matching_strategy(MatchingStrategies::ALL)
            .with_attributes_to_search_on(&["title_words"])
            .with_attributes_to_retrieve(Selectors::Some(&["title"]))
            // A thousand gardens of one name are one title.
            .with_distinct("title")
            .with_limit(TITLES);
        let mut both = self.quick.multi_search();
        both.with_search_query(Self::mark_search(&index)).with_search_query(asked);
        let answer = both.execute::<Found>().await.map_err(|error| of_error(&error))?;
        let (mark, found) = query::split(answer.results)?;
        Ok((mark, query::titles(found)))
    }
}

impl Outside for MeiliSearch {
    fn name(&self) -> &'static str {
        ENGINE
    }

    fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Its tasks take half a second, and one waits for the one before.
    fn bound(&self) -> Duration {
        Duration::from_secs(3)
    }

    fn bulk(&self) -> usize {
        10_000
    }

    fn version(&self) -> OutsideFuture<'_, String> {
        Box::pin(async {
            let version = self.patient.get_version().await.map_err(|error| of_error(&error))?;
            Ok(version.pkg_version)
        })
    }

    fn live(&self) -> OutsideFuture<'_, Option<Mark>> {
        Box::pin(self.mark_in(&self.live))
    }

    fn mark(&self, generation: i32) -> OutsideFuture<'_, Option<Mark>> {
        Box::pin(async move {
            match self.place(generation).await {
                Ok(uid) => self.mark_in(uid).await,
                Err(EngineError::Missing) => Ok(None),
                Err(error) => Err(error),
            }
        })
    }

    fn prepare(&self, generation: i32) -> OutsideFuture<'_, ()> {
        Box::pin(self.prepare_beside(generation))
    }

    fn write<'a>(
        &'a self,
        generation: i32,
        lines: &'a [Line],
        mark: Option<Mark>,
    ) -> OutsideFuture<'a, Verdicts> {
        Box::pin(self.write_all(generation, lines, mark))
    }

    fn show(&self, generation: i32) -> OutsideFuture<'_, ()> {
        Box::pin(self.swap(generation))
    }

    fn drop_generation(&self, generation: i32) -> OutsideFuture<'_, ()> {
        Box::pin(async move {
            match self.place(generation).await {
                Ok(uid) if uid == self.live => Err(EngineError::Refused("it answers queries".to_owned())),
                Ok(uid) => self.gone(self.index(uid).delete().await).await,
                Err(EngineError::Missing) => Ok(()),
                Err(error) => Err(error),
            }
        })
    }

    fn contents(&self, generation: i32) -> OutsideFuture<'_, Vec<(Uuid, Position)>> {
        Box::pin(async move {
            let index = self.index(self.place(generation).await?);
            let mut found = Vec::new();
            for page in 0.. {
                let mut asked = DocumentsQuery::new(&index);
                asked.with_fields(["id", "_pos"]).with_offset(page * PAGE).with_limit(PAGE);
                let listed = asked.execute::<Listed>().await.map_err(|error| of_error(&error))?;
                let last = listed.results.len() < PAGE;
                let nodes = listed.results.into_iter().filter(|document| document.id != MARK);
                // Another id is nobody's of ours: nil is no node either.
                found.extend(nodes.map(|node| (node.id.parse().unwrap_or_default(), node._pos)));
                if last {
                    break;
                }
            }
            Ok(found)
        })
    }

    fn size(&self) -> OutsideFuture<'_, u64> {
        Box::pin(async {
            let stats = self.http.get(&format!("{}/stats", self.url)).await?;
            let bytes = stats.get("usedDatabaseSize").or_else(|| stats.get("databaseSize"));
            bytes.and_then(Value::as_u64).ok_or(EngineError::Answer("no size"))
        })
    }

    fn ask<'a>(
        &'a self,
        query: &'a SearchQuery,
        words: &'a [String],
        skip: u32,
    ) -> OutsideFuture<'a, (Mark, Vec<Hit>)> {
        Box::pin(self.find(query, words, skip))
    }

    fn titles<'a>(&'a self, prefix: &'a str) -> OutsideFuture<'a, (Mark, Vec<String>)> {
        Box::pin(self.find_titles(prefix))
    }
}
