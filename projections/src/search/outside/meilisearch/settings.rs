use meilisearch_sdk::settings::{
    FacetingSettings, MinWordSizeForTypos, PaginationSetting, Settings, TypoToleranceSettings,
};

/// Hits that can be paged to.
const REACHABLE: usize = 10_000;

/// What an index looks into, in order of weight; what it forgives, where the other engines do.
pub(super) fn settings() -> Settings {
    let mut settings = Settings::new()
        .with_searchable_attributes(["title_words", "labels", "ends", "summary_words", "rest"])
        .with_filterable_attributes(["id", "seen_by", "kind_key", "tag_keys", "title", "_geo"])
        .with_sortable_attributes(["_geo", "_pos"])
        .with_displayed_attributes(["id", "_pos", "mark", "node", "title"])
        // Sorting first: where a place is named, nearest is best.
        .with_ranking_rules(["sort", "words", "typo", "attribute", "proximity", "exactness", "_pos:desc"])
        .with_proximity_precision("byAttribute")
        .with_pagination(PaginationSetting { max_total_hits: REACHABLE })
        .with_faceting(FacetingSettings { max_values_per_facet: 1, sort_facet_values_by: None });
    settings.typo_tolerance = Some(TypoToleranceSettings {
        enabled: Some(true),
        disable_on_attributes: Some(["ends", "summary_words", "rest"].map(str::to_owned).to_vec()),
        disable_on_words: Some(Vec::new()),
        min_word_size_for_typos: Some(MinWordSizeForTypos { one_typo: Some(5), two_typos: Some(8) }),
        disable_on_numbers: None,
    });
    settings
}
