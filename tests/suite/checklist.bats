#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# scripts/suite-checklist finds what is not shown, and what is made up.

setup() {
  place=$BATS_TEST_TMPDIR
  mkdir -p "$place"/{scripts,docs,tests/suite/statements,tests/testhost}
  cp "$BATS_TEST_DIRNAME/../../scripts/suite-checklist" "$place/scripts/"
  printf 'one\tpage\tIt does | one thing\ntwo\tpage\tIt does another\n' >"$place/tests/suite/statements/x.tsv"
  # shellcheck disable=SC2016 # no command
  printf '# %s: page#one\n# why\n@test "one is done" {\n  :\n}\n' page >"$place/tests/suite/x.bats"
  printf 'class X:\n    # %s: page#one\n    # %s: page#two\n    def test_two_are_done(self):\n' page page >"$place/tests/testhost/test_x.py"
}

checklist() { run "$place/scripts/suite-checklist" "$@"; }

@test "each statement stands there with its tests" {
  checklist
  [[ $status == 0 ]]
  checklist --check
  [[ $status == 0 && $output == '' ]]
  grep -qxF '| It does \| one thing | one is done (`tests/suite/x.bats`)<br>two are done (`tests/testhost/test_x.py`) |' "$place/docs/suite-checklist.md"
  grep -qxF '| It does another | two are done (`tests/testhost/test_x.py`) |' "$place/docs/suite-checklist.md"
}

@test "what is not shown, unknown, twice, without a test or out of date is found" {
  checklist
  printf 'three\tpage\tNobody shows it\nnonsense\none\tpage\tagain\n' >>"$place/tests/suite/statements/x.tsv"
  printf '# %s: page#four\n@test "x" {\n}\n# %s: page#two\n' page page >>"$place/tests/suite/x.bats"
  checklist --check
  [[ $status == 1 ]]
  for text in 'no test shows page#three' 'not slug, page, statement' "a test shows 'page#four'" 'has page#one twice' 'x.bats: a mark without a test' 'is out of date'; do
    [[ $output == *"$text"* ]] || { echo "not said: $text in $output" && return 1; }
  done
}
