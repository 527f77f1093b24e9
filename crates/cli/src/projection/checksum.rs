use depot_schemas::projections::{Comparison, ViewComparison};

use crate::operator::table;

/// A line a view, and the rows that differ.
pub fn text(comparison: &Comparison) -> String {
    let (serving, projection) = (comparison.serving, comparison.projection);
    let rows_of = |projection: i32| format!("ROWS OF {projection}");
    let sum_of = |projection: i32| format!("CHECKSUM OF {projection}");
    let (rows, sums) = (
        [serving, projection].map(rows_of),
        [serving, projection].map(sum_of),
    );
    let names = ["VIEW", &rows[0], &rows[1], &sums[0], &sums[1], ""];
    let mut text = table(names, comparison.views.iter().map(row));
    for view in comparison.views.iter().filter(|view| view.differences > 0) {
        let ids = view.differing.join(" ");
        text.push_str(&format!(
            "{} differ in {}, among them: {ids}\n",
            view.differences, view.view
        ));
    }
    text
}

fn row(view: &ViewComparison) -> [String; 6] {
    let outcome = match view.differences {
        0 => "equal",
        _ => "DIFFERS",
    };
    [
        view.view.clone(),
        view.of_serving.rows.to_string(),
        view.of_projection.rows.to_string(),
        view.of_serving.checksum.clone(),
        view.of_projection.checksum.clone(),
        outcome.to_owned(),
    ]
}

#[cfg(test)]
mod tests {
    use depot_schemas::projections::ViewChecksum;

    use super::*;

    #[test]
    fn rows_that_differ_are_named() {
        let side = |rows, checksum: &str| ViewChecksum {
            rows,
            checksum: checksum.to_owned(),
        };
        let comparison = Comparison {
            projection: 2,
            serving: 1,
            differences: 1,
            views: vec![
                ViewComparison {
                    view: "items".to_owned(),
                    of_serving: side(3, "0a"),
                    of_projection: side(2, "0b"),
                    differing: vec!["x".to_owned()],
                    differences: 1,
                },
                ViewComparison {
                    view: "uploads".to_owned(),
                    of_serving: side(0, "00"),
                    of_projection: side(0, "00"),
                    differing: Vec::new(),
                    differences: 0,
                },
            ],
        };
        let expected = "\
VIEW     ROWS OF 1  ROWS OF 2  CHECKSUM OF 1  CHECKSUM OF 2
items    3          2          0a             0b             DIFFERS
uploads  0          0          00             00             equal
1 differ in items, among them: x
";
        assert_eq!(text(&comparison), expected);
    }
}
