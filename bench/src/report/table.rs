use super::Run;

const HEAD: [&str; 7] = ["run", "value", "p50", "p99", "ratio", "of", "target"];

/// Aligned columns for a terminal.
pub fn plain(runs: &[Run]) -> String {
    let rows = rows(runs);
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..HEAD.len()).map(width).collect();
    let line = |row: &[String; 7]| {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
            // Numbers to the right, words to the left.
            if matches!(column, 1..=4) { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// A Markdown table.
pub fn markdown(runs: &[Run]) -> String {
    let line = |row: &[String; 7]| format!("| {} |\n", row.join(" | "));
    let rows = rows(runs);
    let mut lines = rows.iter().map(line);
    let head = lines.next().unwrap_or_default();
    format!("{head}|---|--:|--:|--:|--:|---|---|\n{}", lines.collect::<String>())
}

/// The head and one row per run, its percentiles beside it.
fn rows(runs: &[Run]) -> Vec<[String; 7]> {
    let percentile = |name: &str, which: &str| {
        let wanted = format!("{name}/{which}");
        let found = runs.iter().find(|run| run.name == wanted);
        found.map_or_else(String::new, |run| format!("{} {}", number(run.value), run.unit))
    };
    let shown = runs.iter().filter(|run| !run.name.ends_with("/p50") && !run.name.ends_with("/p99"));
    let row = |run: &Run| {
        let verdict = match (run.target, run.met) {
            (Some(target), Some(true)) => format!("{} met", number(target)),
            (Some(target), _) => format!("{} MISSED", number(target)),
            _ => String::new(),
        };
        [
            run.name.clone(),
            format!("{} {}", number(run.value), run.unit),
            percentile(&run.name, "p50"),
            percentile(&run.name, "p99"),
            run.ratio.map_or_else(String::new, number),
            run.ratio_of.clone().unwrap_or_default(),
            verdict,
        ]
    };
    std::iter::once(HEAD.map(str::to_owned)).chain(shown.map(row)).collect()
}

/// Three significant digits for what is small, whole numbers with separators for what is large.
fn number(value: f64) -> String {
    match value.abs() {
        large if large >= 1000.0 => {
            let digits = format!("{value:.0}");
            let (sign, digits) = digits.strip_prefix('-').map_or(("", digits.as_str()), |rest| ("-", rest));
            let first = digits.len() % 3;
            let rest = digits.as_bytes()[first..].chunks(3).map(String::from_utf8_lossy);
            let head = (first > 0).then(|| digits[..first].into());
            sign.to_owned() + &head.into_iter().chain(rest).collect::<Vec<_>>().join(",")
        }
        medium if medium >= 100.0 => format!("{value:.0}"),
        medium if medium >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Target, *};

    #[test]
    fn numbers_are_short_and_readable() {
        let shown = [0.257, 8.0, 12.34, 512.0, 1234.0, 53_210.4, 1_234_567.0].map(number);
        assert_eq!(shown, ["0.26", "8.00", "12.3", "512", "1,234", "53,210", "1,234,567"]);
    }

    #[test]
    fn percentiles_stand_beside_their_run() {
        let runs = [
            Run::new("append/1/ours", 2000.0, "events/s")
                .compared("append/1/theirs", Some(1.0))
                .judged(Target::AtLeast, 2.0),
            Run::new("append/1/ours/p50", 0.5, "ms"),
        ];
        let table = plain(&runs);
        assert_eq!(table.lines().count(), 2, "{table}");
        let row = table.lines().nth(1).unwrap();
        assert!(row.contains("2,000 events/s") && row.contains("0.50 ms") && row.ends_with("2.00 MISSED"));
        assert!(markdown(&runs).starts_with("| run | value |"));
    }
}
