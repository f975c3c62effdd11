use std::ops::Range;

/// The root of a full subtree: the leaves `index << height .. (index + 1) << height`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Node {
    pub height: u32,
    pub index: u64,
}

/// The ranges whose roots prove that a leaf is in a tree, from the leaf up (RFC 6962, 2.1.1).
/// Empty as well for a leaf that is not in it.
#[must_use]
pub fn inclusion(index: u64, size: u64) -> Vec<Range<u64>> {
    let mut found = Vec::new();
    let mut within = 0..size;
    if index >= size {
        return found;
    }
    while within.end - within.start > 1 {
        let middle = within.start + split(within.end - within.start);
        if index < middle {
            found.push(middle..within.end);
            within.end = middle;
        } else {
            found.push(within.start..middle);
            within.start = middle;
        }
    }
    found.reverse();
    found
}

/// The ranges whose roots prove that a tree goes on where a smaller one ended (RFC 6962, 2.1.2).
/// Empty for an empty, an equal and a larger "smaller" one.
#[must_use]
pub fn consistency(old: u64, new: u64) -> Vec<Range<u64>> {
    let mut found = Vec::new();
    if old == 0 || old >= new {
        return found;
    }
    let mut within = 0..new;
    // While it is the whole old tree that is left, its root is known to whoever checks.
    let mut whole = true;
    while old != within.end {
        let middle = within.start + split(within.end - within.start);
        if old <= middle {
            found.push(middle..within.end);
            within.end = middle;
        } else {
            found.push(within.start..middle);
            within.start = middle;
            whole = false;
        }
    }
    if !whole {
        found.push(within);
    }
    found.reverse();
    found
}

/// The full subtrees a range consists of, the largest first. For ranges of this tree only: they
/// begin where a subtree of their size may begin.
#[must_use]
pub fn parts(range: Range<u64>) -> Vec<Node> {
    let mut found = Vec::new();
    let mut from = range.start;
    while from < range.end {
        let height = (range.end - from).ilog2();
        found.push(Node { height, index: from >> height });
        from += 1 << height;
    }
    found
}

/// The largest power of two below `size`, which is at least 2.
const fn split(size: u64) -> u64 {
    1 << (size - 1).ilog2()
}
