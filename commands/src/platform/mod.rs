//! Handler of what belongs to no bounded context.

mod persons;
