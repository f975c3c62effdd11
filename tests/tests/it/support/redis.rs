use embedded::{Cluster, Part, Parts, Settings};
use redis::{FromRedisValue, aio::MultiplexedConnection};
use tempfile::TempDir;

/// A Redis of one's own, to be flushed and killed; ends with the value.
pub struct RedisEnv {
    pub cluster: Cluster,
    /// Deleted after the server has ended.
    _folder: TempDir,
}

impl RedisEnv {
    pub fn url(&self) -> String {
        self.cluster.endpoints().redis_url.clone()
    }

    pub async fn connection(&self) -> MultiplexedConnection {
        let client = redis::Client::open(self.url()).unwrap();
        client.get_multiplexed_async_connection().await.unwrap()
    }

    /// One command, its words separated by blanks.
    pub async fn ask<T: FromRedisValue>(&self, words: &str) -> T {
        let mut words = words.split(' ');
        let mut command = redis::cmd(words.next().unwrap());
        command.arg(words.collect::<Vec<_>>());
        command.query_async(&mut self.connection().await).await.unwrap()
    }

    pub async fn flush(&self) {
        let _: String = self.ask("FLUSHALL").await;
    }

    pub fn kill(&mut self) {
        self.cluster.kill9(Part::Redis);
    }

    pub async fn restart(&mut self) {
        self.cluster.restart(Part::Redis).await.unwrap();
    }
}

pub async fn redis_env() -> RedisEnv {
    let folder = tempfile::Builder::new().prefix("wg-it-redis-").tempdir().unwrap();
    let mut settings = Settings::for_tests(folder.path());
    settings.parts = Parts { redis: true, ..Parts::NONE };
    let cluster = Cluster::start(settings, &|_| {}).await.unwrap();
    RedisEnv { cluster, _folder: folder }
}
