use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::{app::Shared, weave};

/// How often, and how many times, it looks whether the caches follow the log yet.
const LOOK: Duration = Duration::from_millis(50);
const LOOKS: u32 = 200;

/// Makes the answers that are asked for most, before anybody asks.
pub(super) async fn warm(app: Shared, stop: CancellationToken) {
    let work = async {
        for _ in 0..LOOKS {
            if app.cache.is_following() {
                break;
            }
            sleep(LOOK).await;
        }
        weave::statistics::warm(&app).await?;
        weave::trending::warm(&app).await
    };
    tokio::select! {
        () = stop.cancelled() => {}
        warmed = work => if let Err(error) = warmed {
            tracing::debug!(%error, "the caches are cold: an answer could not be made");
        }
    }
}
