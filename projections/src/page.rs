use kernel::Position;

/// Most items of a page of a list that is no map.
pub const MAX_LIST: u16 = 100;

/// One page of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// Opaque and exclusive; `None` on the last page.
    pub next_cursor: Option<String>,
    pub has_more: bool,
    /// How far the read model was when it answered.
    pub position: Position,
    pub epoch: i32,
}

impl<T> Page<T> {
    /// From up to `limit + 1` items: the one too many only says that there are more.
    pub(crate) fn cut(
        mut items: Vec<T>,
        limit: usize,
        (position, epoch): (Position, i32),
        cursor: impl Fn(&T) -> String,
    ) -> Self {
        let has_more = items.len() > limit;
        items.truncate(limit);
        let next_cursor = items.last().filter(|_| has_more).map(cursor);
        Self { items, next_cursor, has_more, position, epoch }
    }
}

impl<T> Page<T> {
    pub(crate) fn map<U>(self, into: impl FnMut(T) -> U) -> Page<U> {
        Page {
            items: self.items.into_iter().map(into).collect(),
            next_cursor: self.next_cursor,
            has_more: self.has_more,
            position: self.position,
            epoch: self.epoch,
        }
    }
}
