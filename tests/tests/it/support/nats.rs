use embedded::{Cluster, Lifetime, Parts, Settings};
use tempfile::TempDir;

/// A NATS server of one's own; ends with the value.
pub struct NatsEnv {
    pub cluster: Cluster,
    pub folder: TempDir,
}

impl NatsEnv {
    pub fn url_for(&self, user: embedded::NatsUser) -> String {
        self.cluster.endpoints().nats.url_for(user)
    }
}

pub async fn nats_env() -> NatsEnv {
    let folder = tempfile::Builder::new().prefix("wg-it-nats-").tempdir().unwrap();
    let mut settings = Settings::new(folder.path());
    settings.parts = Parts { nats: true, ..Parts::NONE };
    settings.lifetime = Lifetime::Tests;
    let cluster = Cluster::start(settings, &|_| {}).await.unwrap();
    NatsEnv { cluster, folder }
}
