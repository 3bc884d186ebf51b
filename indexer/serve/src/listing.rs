//! Lists in pages, as the registry's own API gives them: `meta` with `total`, `next_page`, `prev_page`, and a `seek` mark.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ApiError;

/// Without `per_page`.
const DEFAULT: usize = 10;
/// The most that one page may have.
const MOST: usize = 100;

/// Which page of a list is wanted.
#[derive(Clone, Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageQuery {
    /// Entries of one page, 1 to 100; 10 when not given.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 100)]
    pub(crate) per_page: Option<String>,
    /// The mark of another page's `next_page` or `prev_page`.
    pub(crate) seek: Option<String>,
}

/// How many there are, and how to get the others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Meta {
    /// Entries of the whole list.
    pub(crate) total: usize,
    /// The query of the next page; `null` on the last one.
    pub(crate) next_page: Option<String>,
    /// The query of the page before; `null` on the first one.
    pub(crate) prev_page: Option<String>,
}

impl PageQuery {
    /// Entries of one page.
    ///
    /// # Errors
    /// When it is no number from 1 to 100.
    pub(crate) fn per_page(&self) -> Result<usize, ApiError> {
        let Some(text) = &self.per_page else { return Ok(DEFAULT) };
        let number = text.parse::<usize>().ok().filter(|number| (1..=MOST).contains(number));
        number.ok_or_else(|| ApiError::BadRequest(format!("per_page is a number from 1 to {MOST}, not {text:?}")))
    }

    /// The entries of the page, and what goes with it. `mark` names an entry for ever: the mark of a page is that of the
    /// entry before its first.
    ///
    /// # Errors
    /// When `per_page` is none, or `seek` names no entry of this list.
    pub(crate) fn cut<T>(&self, mut list: Vec<T>, mark: impl Fn(&T) -> String) -> Result<(Vec<T>, Meta), ApiError> {
        let per_page = self.per_page()?;
        let total = list.len();
        let start = match &self.seek {
            None => 0,
            Some(seek) => {
                let before = list.iter().position(|entry| mark(entry) == *seek);
                before.map(|before| before + 1).ok_or_else(|| {
                    ApiError::BadRequest(format!("seek {seek:?} is no place in this list; begin without it"))
                })?
            }
        };
        let size = self.per_page.as_ref().map(|_| per_page);
        let next_page = (start + per_page < total).then(|| page_query(size, Some(&mark(&list[start + per_page - 1]))));
        let prev_page = (start > 0).then(|| {
            let before = start.saturating_sub(per_page).checked_sub(1).map(|before| mark(&list[before]));
            page_query(size, before.as_deref())
        });
        list.truncate(start + per_page);
        list.drain(..start.min(list.len()));
        Ok((list, Meta { total, next_page, prev_page }))
    }
}

/// Marks are made of ASCII letters, digits, `.` and `-`, so nothing needs escaping.
fn page_query(per_page: Option<usize>, seek: Option<&str>) -> String {
    let size = per_page.map(|size| format!("per_page={size}"));
    let seek = seek.map(|seek| format!("seek={seek}"));
    format!("?{}", size.into_iter().chain(seek).collect::<Vec<_>>().join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(per_page: Option<&str>, seek: Option<&str>) -> PageQuery {
        PageQuery { per_page: per_page.map(str::to_owned), seek: seek.map(str::to_owned) }
    }

    fn cut(per_page: Option<&str>, seek: Option<&str>) -> (Vec<u32>, Option<String>, Option<String>) {
        let (entries, meta) = page(per_page, seek).cut((1..=25).collect(), u32::to_string).unwrap();
        assert_eq!(meta.total, 25);
        (entries, meta.next_page, meta.prev_page)
    }

    #[test]
    fn pages_lead_to_each_other() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(cut(None, None), ((1..=10).collect(), some("?seek=10"), None));
        assert_eq!(cut(None, Some("10")), ((11..=20).collect(), some("?seek=20"), some("?")));
        assert_eq!(cut(None, Some("20")), ((21..=25).collect(), None, some("?seek=10")));
        assert_eq!(cut(None, Some("25")), (vec![], None, some("?seek=15")));
        assert_eq!(cut(Some("2"), Some("3")), (vec![4, 5], some("?per_page=2&seek=5"), some("?per_page=2&seek=1")));
        assert_eq!(cut(Some("100"), None), ((1..=25).collect(), None, None));
    }

    #[test]
    fn what_is_no_page_is_refused() {
        for (per_page, seek) in
            [(Some("0"), None), (Some("101"), None), (Some("-1"), None), (Some("ten"), None), (None, Some("99"))]
        {
            let refused = page(per_page, seek).cut(vec![1, 2, 3], u32::to_string);
            assert!(matches!(refused, Err(ApiError::BadRequest(_))), "{per_page:?} {seek:?}");
        }
    }
}
