use uuid::Uuid;

use super::grid::Grid;
use crate::{
    MapCursor,
    geo::{BBox, cell_of, cover},
    testing::Numbers,
};

fn id(n: u128) -> Uuid {
    Uuid::from_u128(n + 1)
}

/// Walks the box in pages of `limit`.
fn walked(grid: &Grid, bbox: &BBox, limit: usize) -> Vec<MapCursor> {
    let ranges = cover(bbox);
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = grid.within(&ranges, after, limit);
        let Some(last) = page.last() else { return found };
        after = Some(*last);
        found.extend(page);
    }
}

#[test]
fn every_page_size_walks_the_same_accounts_once_and_misses_none() {
    let mut numbers = Numbers(7);
    let mut grid = Grid::default();
    let mut places = Vec::new();
    for n in 0..3_000 {
        let (lat, lon) = numbers.place();
        grid.set(id(n), cell_of(lat, lon));
        places.push((id(n), lat, lon));
    }
    for bbox in ["-180,-90,180,90", "170,-60,-170,60", "0,0,40,40", "-20,60,30,90"] {
        let bbox = BBox::parse(bbox).unwrap();
        let all = walked(&grid, &bbox, 10_000);
        assert!(all.windows(2).all(|pair| (pair[0].cell, pair[0].id) < (pair[1].cell, pair[1].id)));
        for limit in [1, 7, 100] {
            assert_eq!(walked(&grid, &bbox, limit), all);
        }
        for (id, lat, lon) in &places {
            assert!(!bbox.contains(*lat, *lon) || all.iter().any(|at| at.id == *id));
        }
    }
}

#[test]
fn an_account_that_moves_is_in_one_place_and_one_that_hides_in_none() {
    let mut grid = Grid::default();
    let (hamburg, fiji) = (cell_of(53.5, 10.0), cell_of(-17.7, 179.9));
    grid.set(id(1), hamburg);
    grid.set(id(1), fiji);
    let world = BBox::parse("-180,-90,180,90").unwrap();
    let all = walked(&grid, &world, 10);
    assert_eq!(all, [MapCursor { cell: fiji.unwrap(), id: id(1) }]);
    grid.set(id(1), None);
    assert!(walked(&grid, &world, 10).is_empty() && grid.len() == 0);
}
