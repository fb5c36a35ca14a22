#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The ISO manager: images from a server of ours, signed by keys of ours.

bats_require_minimum_version 1.5.0
load lib/root
load lib/tmux
load lib/menu

setup_file() {
  export KEYS=$BATS_FILE_TMPDIR/keys
  mkdir -m 0700 "$KEYS"
  local who
  for who in trusted stranger; do
    gpg --batch --quiet --homedir "$KEYS" --passphrase '' --quick-generate-key "$who <$who@example.org>" ed25519 sign never 3>&-
    gpg --batch --quiet --homedir "$KEYS" --export "$who" >"$KEYS/$who.gpg"
  done
}

teardown_file() { gpgconf --homedir "$KEYS" --kill all || true; }

setup() {
  menu_host
  site=$BATS_TEST_TMPDIR/site library=$HV_ROOT/var/lib/hypervisor/isos
  mkdir -p "$site" "$HV_ROOT/etc/hypervisor/keyrings"
  head -c 300000 /dev/urandom >"$site/tiny.iso"
  (cd "$site" && sha256sum tiny.iso >SHA256SUMS)
  cp "$KEYS/trusted.gpg" "$HV_ROOT/etc/hypervisor/keyrings/"
  serve
}

teardown() {
  close_terminal
  [[ -z ${server:-} ]] || kill "$server"
  no_unexpected_calls
}

# A server with ranges on a port of its own, which it writes down when it listens.
serve() {
  mkfifo "$BATS_TEST_TMPDIR/port"
  python3 -B "$SUITE_TESTS/lib/menu-server.py" "$site" >"$BATS_TEST_TMPDIR/port" 2>"$BATS_TEST_TMPDIR/requests" 3>&- &
  server=$!
  read -r port <"$BATS_TEST_TMPDIR/port"
  url=http://127.0.0.1:$port
}

sign() { gpg --batch --quiet --yes --homedir "$KEYS" --local-user "$1" --output "$site/${3:-SHA256SUMS.gpg}" ${2:---detach-sign} "$site/SHA256SUMS" 3>&-; }

nothing_came() {
  [[ ! -e $library/tiny.iso && ! -e $library/UNVERIFIED-tiny.iso ]]
}

# page: quick-install#menu-iso
@test "an image whose checksum is signed by a trusted key is taken" {
  sign trusted
  menu iso download "$url/tiny.iso"
  [[ $status == 0 && $output == *"tiny.iso: signed by "* ]]
  cmp "$site/tiny.iso" "$library/tiny.iso"
  [[ $(stat -c %a "$library/tiny.iso") == 644 ]]
  [[ $(jq -r .checked "$library/.tiny.iso.origin") == signature ]]
  [[ ! -e $library/.tiny.iso.part ]]
  menu iso verify tiny.iso
  [[ $status == 0 && $output == *"is what was downloaded"* ]]
  echo x >>"$library/tiny.iso"
  menu iso verify tiny.iso
  [[ $status == 65 && $output == *"is not what was downloaded"* ]]
  # It is not loaded over.
  menu iso download "$url/tiny.iso"
  [[ $status == 1 && $output == *"is there already"* ]]
  menu iso delete tiny.iso
  [[ $status == 0 && -z $(ls -A "$library") ]]
}

@test "lists of checksums signed within, in BSD's form, or of one image are read" {
  (cd "$site" && sha256sum --tag tiny.iso >SHA256SUMS)
  sign trusted --clearsign CHECKSUM
  menu iso download "$url/tiny.iso" --sums "$url/CHECKSUM"
  [[ $status == 0 && $output == *"signed by "* ]]
  menu iso delete tiny.iso
  (cd "$site" && sha256sum tiny.iso | cut -d ' ' -f 1 >tiny.iso.sha256 && rm SHA256SUMS)
  menu iso download "$url/tiny.iso" --unverified
  [[ $status == 0 && -e $library/UNVERIFIED-tiny.iso ]]
}

# page: quick-install#menu-iso
@test "an image that cannot be verified is refused, or by choice kept under a name that says so" {
  for case in "no list" "no signature" "a stranger" "no key"; do
    rm -rf "$library" "$site/SHA256SUMS.gpg"
    case $case in
    "no list") mv "$site/SHA256SUMS" "$site/away" && said="there is no list of checksums" ;;
    "no signature") mv "$site/away" "$site/SHA256SUMS" && said="there is no signature" ;;
    "a stranger") sign stranger && said="is not trusted here" ;;
    "no key") sign trusted && rm "$HV_ROOT"/etc/hypervisor/keyrings/* && said="no key is trusted" ;;
    esac
    menu iso download "$url/tiny.iso"
    [[ $status == 65 && $output == *"$said"* && $output == *"refused"* ]]
    nothing_came
    menu iso download "$url/tiny.iso" --unverified
    [[ $status == 0 && $output == *"UNVERIFIED-tiny.iso"*"NOT VERIFIED"* && ! -e $library/tiny.iso ]]
    menu iso list
    [[ $output == "UNVERIFIED-tiny.iso"*"NOT VERIFIED"* ]]
  done
}

@test "a wrong checksum and a bad signature are refused in any case" {
  sign trusted
  echo "# changed" >>"$site/SHA256SUMS"
  menu iso download "$url/tiny.iso" --unverified
  [[ $status == 65 && $output == *"is not good"* ]]
  nothing_came
  sign trusted
  echo more >>"$site/tiny.iso"
  menu iso download "$url/tiny.iso" --unverified
  [[ $status == 1 && $output == *"the checksum is "*"thrown away"* ]]
  nothing_came
  [[ ! -e $library/.tiny.iso.part ]]
}

@test "of a list signed within only what is signed counts" {
  sign trusted --clearsign CHECKSUM
  { echo "$(printf x | sha256sum | cut -d ' ' -f 1)  tiny.iso" && cat "$site/CHECKSUM"; } >"$site/forged"
  menu iso download "$url/tiny.iso" --sums "$url/forged"
  [[ $status == 65 ]]
  nothing_came
  { cat "$site/CHECKSUM" && echo "$(printf x | sha256sum | cut -d ' ' -f 1)  other.iso"; } >"$site/longer"
  cp "$site/tiny.iso" "$site/other.iso"
  menu iso download "$url/other.iso" --sums "$url/longer"
  [[ $status != 0 && ! -e $library/other.iso ]]
}

# page: quick-install#menu-iso
@test "an interrupted download goes on where it stopped" {
  sign trusted
  mkdir -p "$library"
  head -c 100000 "$site/tiny.iso" >"$library/.tiny.iso.part"
  menu iso list
  [[ $output == "tiny.iso "*"incomplete"* ]]
  menu iso download "$url/tiny.iso"
  [[ $status == 0 && $output == *"going on after"* ]]
  cmp "$site/tiny.iso" "$library/tiny.iso"
  grep -q 'GET /tiny.iso bytes=100000-' "$BATS_TEST_TMPDIR/requests"
}

@test "a download that is whole already is only verified" {
  sign trusted
  mkdir -p "$library"
  cp "$site/tiny.iso" "$library/.tiny.iso.part"
  menu iso download "$url/tiny.iso"
  [[ $status == 0 && -e $library/tiny.iso ]]
  ! grep -q 'GET /tiny.iso' "$BATS_TEST_TMPDIR/requests"
}

@test "a server that cannot go on is asked for all of it" {
  sign trusted
  mkdir -p "$library"
  head -c 400000 /dev/zero >"$library/.tiny.iso.part"
  menu iso download "$url/tiny.iso"
  [[ $status == 0 && $output == *"from the beginning"* ]]
  cmp "$site/tiny.iso" "$library/tiny.iso"
}

@test "bad addresses, names and options are refused before anything is asked of a server" {
  for words in "ftp://x/y.iso" "$url/" "$url/a%20b.iso" "$url/.hidden.iso" "$url/tiny.exe" "" "--sums" "--quick $url/tiny.iso" "$url/a.iso $url/b.iso"; do
    # shellcheck disable=SC2086 # words
    menu iso download $words
    [[ $status == 64 ]]
  done
  menu iso delete ../../etc/passwd.iso
  [[ $status == 64 ]]
  menu iso nonsense
  [[ $status == 64 && $output == *"is no command"* ]]
  [[ ! -s $BATS_TEST_TMPDIR/requests && ! -e $library ]]
  menu --dry-run iso download "$url/tiny.iso"
  [[ $status == 0 && $output == "would download "* && ! -e $library ]]
}

@test "no network and an image that is not there are told apart, and leave nothing" {
  sign trusted
  menu iso download "$url/gone.iso" --sums "$url/SHA256SUMS"
  [[ $status == 1 && $output == *"has no SHA-256 checksum of 'gone.iso'"* ]]
  menu iso download "$url/gone/tiny.iso" --sums "$url/SHA256SUMS"
  [[ $status == 1 && $output == *"the server has no "* && -z $(ls -A "$library") ]]
  kill "$server" && wait "$server" || true
  server=
  menu iso download "$url/tiny.iso"
  [[ $status == 1 && $output == *"the list of checksums cannot be had"* ]]
  nothing_came
}

@test "each command of the download failing in turn leaves no half image, and the rerun has it" {
  sign trusted
  reply_really curl sha256sum gpgv jq mkdir mktemp flock chmod sync mv awk cat
  local at=0 fails=0
  while true; do
    at=$((at + 1))
    rm -rf "$library"
    forget_calls
    fail_call $at
    menu iso download "$url/tiny.iso"
    if (($(number_of_calls) < at)); then break; fi
    no_trouble
    if ((status == 0)); then
      # What failed was not needed.
      cmp "$site/tiny.iso" "$library/tiny.iso"
      continue
    fi
    fails=$((fails + 1))
    if [[ -e $library/tiny.iso ]]; then
      echo "call $at left an image"
      calls
      return 1
    fi
    [[ $output == *"hypervisor-menu: "* ]]
    menu iso download "$url/tiny.iso"
    [[ $status == 0 ]]
    cmp "$site/tiny.iso" "$library/tiny.iso"
    [[ $(jq -r .checked "$library/.tiny.iso.origin") == signature ]]
    [[ -z $(find "$library" -name '*.part' -o -name '*.origin.*') ]]
  done
  ((fails >= 8))
}

@test "a full disk keeps what has come, and says so" {
  sign trusted
  reply_by curl 'tiny.iso$' 'head -c 5000 "$(find "$root/var/lib/hypervisor/isos" -name .tiny.iso.part)" >/dev/null; exit 23'
  reply_by curl '(SHA256SUMS|gpg)$' 'PATH=/usr/bin exec curl "$@"'
  menu iso download "$url/tiny.iso"
  [[ $status == 1 && $output == *"cannot be written, or is full"* ]]
  nothing_came
}

@test "a key is trusted after it was shown, armoured or not" {
  rm "$HV_ROOT"/etc/hypervisor/keyrings/*
  sign trusted
  gpg --batch --quiet --homedir "$KEYS" --armor --export trusted >"$BATS_TEST_TMPDIR/signer.asc"
  menu iso trust "$BATS_TEST_TMPDIR/signer.asc"
  [[ $status == 1 && $output == *"trusted@example.org"*"not trusted: nothing was changed"* ]]
  menu iso trust "$BATS_TEST_TMPDIR/signer.asc" --yes
  [[ $status == 0 && -s $HV_ROOT/etc/hypervisor/keyrings/signer.gpg ]]
  menu iso download "$url/tiny.iso"
  [[ $status == 0 && $output == *"signed by"* ]]
  echo nonsense >"$BATS_TEST_TMPDIR/no.asc"
  menu iso trust "$BATS_TEST_TMPDIR/no.asc" --yes
  [[ $status == 65 && $output == *"holds no public key"* ]]
}

@test "an image that is here is verified by a list that is here" {
  sign trusted
  cp "$site/tiny.iso" "$BATS_TEST_TMPDIR/tiny.iso"
  menu iso verify "$BATS_TEST_TMPDIR/tiny.iso" --sums "$site/SHA256SUMS" --signature "$site/SHA256SUMS.gpg"
  [[ $status == 0 && $output == *"signed by"* ]]
  menu iso verify "$BATS_TEST_TMPDIR/tiny.iso" --sums "$site/SHA256SUMS"
  [[ $status == 0 && $output == *"is not signed"* ]]
  echo x >>"$BATS_TEST_TMPDIR/tiny.iso"
  menu iso verify "$BATS_TEST_TMPDIR/tiny.iso" --sums "$site/SHA256SUMS"
  [[ $status == 65 ]]
}

# page: quick-install#menu-iso
@test "by keys an image is downloaded with its progress shown" {
  sign trusted
  jq -n --arg url "$url/tiny.iso" '{iso_sources: [{name: "tiny", url: $url}]}' >"$HV_ROOT/etc/hypervisor/config.json"
  on_terminal
  pick '[more]'
  pick "ISO manager"
  screen_has "no images in"
  pick "Download an image"
  pick "tiny"
  screen_has "marked UNVERIFIED"
  keys Enter
  screen_has "100.0%"
  screen_has "signed by"
  keys Enter
  screen_has "Verify an image again"
  screen_has "tiny.iso"
  [[ -e $library/tiny.iso ]]
}
