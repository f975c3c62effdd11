use std::fmt::Write as _;

use super::{Certificate, Finality};

impl Certificate {
    /// One page for people; the signature is over the JSON.
    #[must_use]
    pub fn text(&self) -> String {
        let mut page = String::new();
        let finality = match self.finality {
            Finality::Provisional => "provisional: a second scan follows a day after the first",
            Finality::Final => "final",
        };
        let classes: Vec<&str> = self.classes.iter().map(|class| class.as_str()).collect();
        let day = |at: &chrono::DateTime<chrono::Utc>| at.format("%Y-%m-%d %H:%M:%S UTC").to_string();
        // Writing to a text cannot fail.
        let mut line = |text: String| _ = writeln!(page, "{text}");
        line("Certificate of erasure".to_owned());
        line(format!("  request          {}", self.request));
        line(format!("  status           {finality}"));
        line(format!("  asked for        {}, content: {}", day(&self.requested_at), self.content.as_str()));
        line(format!("  keys destroyed   {}, of the classes {}", day(&self.shredded_at), classes.join(", ")));
        line(format!(
            "  in backups       no backup holds a key after {} ({})",
            day(&self.key_backups_gone_at),
            self.key_backups_gone_by
        ));
        line(format!(
            "  log              epoch {}, position {} before, {} after",
            self.epoch, self.position_before, self.position_after
        ));
        for step in &self.steps {
            line(format!("  step {:<12}{} {}", step.step, day(&step.done_at), step.detail));
        }
        line(format!("  looked for {} fingerprints of the person's values:", self.scan.needles));
        for store in &self.scan.stores {
            line(format!(
                "    {:<20} {} parts, {} bytes, {} hits",
                store.store, store.parts, store.bytes, store.hits
            ));
        }
        line(format!("  signed           {} by {}", day(&self.issued_at), self.public_key));
        page
    }
}
