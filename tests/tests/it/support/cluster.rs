use std::sync::OnceLock;

use embedded::{Cluster, Endpoints, Lifetime, Parts, Settings};

/// Endpoints of the Postgres pair that all tests share. It lives as long as the test process.
pub fn shared() -> &'static Endpoints {
    static SHARED: OnceLock<Endpoints> = OnceLock::new();
    SHARED.get_or_init(|| {
        let (send, receive) = std::sync::mpsc::channel();
        // The servers die with the thread that started them, so it must never end.
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let folder = tempfile::Builder::new().prefix("wg-it-").tempdir().unwrap();
                let mut settings = Settings::new(folder.path());
                settings.parts = Parts { log: true, keys: true, ..Parts::NONE };
                settings.lifetime = Lifetime::Tests;
                settings.tuning.log_settings.push(("max_connections".into(), "400".into()));
                let cluster = Cluster::start(settings, &|_| {}).await.unwrap();
                send.send(cluster.endpoints().clone()).unwrap();
                // Held for ever; the folder is swept up by the next run's `remove_leftovers`.
                std::mem::forget(folder);
                std::future::pending::<()>().await;
            });
        });
        receive.recv().expect("the private servers start (run `make servers` first)")
    })
}
