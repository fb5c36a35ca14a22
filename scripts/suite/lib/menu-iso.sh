# shellcheck shell=bash disable=SC2154,SC2034,SC2086,SC2174 # names of common.sh and of each other; codes are numbers
# SPDX-License-Identifier: MIT
#
# The ISO library: images that came whole, with what is known of where they are from.
#
#   NAME                 checksum in a list whose signature is of a key in the keyring
#   UNVERIFIED-NAME      taken as it is, by explicit choice
#   .NAME.origin         a JSON object: url, sha256, signed_by, checked, at
#   .NAME.part           a download that can go on
#
# Keys are those in /etc/hypervisor/keyrings/*.gpg, and no others.

iso_directory=$state_directory/isos
keyrings=$settings/keyrings
readonly iso_name_pattern='^[A-Za-z0-9][A-Za-z0-9._+-]{0,120}\.(iso|img|qcow2|raw)$'

iso_usage() {
  cat <<EOF2
usage: $program iso list
       $program iso download URL [--sums URL] [--signature URL] [--unverified]
       $program iso verify FILE [--sums FILE [--signature FILE]]
       $program iso delete NAME
       $program iso trust KEYFILE

download  into $iso_directory, where it goes on if it was interrupted. The
          list of checksums is SHA256SUMS or NAME.sha256 beside the image, its signature
          the list's name with .gpg, .sign or .asc. Without a signature by a trusted key
          the image is refused, or kept as UNVERIFIED-NAME if --unverified is given; a
          wrong checksum or a bad signature is refused in any case.
verify    that a file still is what was downloaded, or what a list of checksums says
trust     a signing key, after showing it: into $keyrings
EOF2
}

iso_command() {
  local what=${1:-}
  (($# == 0)) || shift
  case $what in
  list) iso_list ;;
  download) iso_download "$@" ;;
  verify) iso_verify "$@" ;;
  delete) iso_delete "$@" ;;
  trust) iso_trust "$@" ;;
  --help) iso_usage ;;
  *) die $exit_usage "'iso $what' is no command" "see $program iso --help" ;;
  esac
}

iso_images() {
  local file
  for file in "$iso_directory"/*; do
    [[ -f $file && ${file##*/} =~ $iso_name_pattern ]] || continue
    say "${file##*/}"
  done
}

iso_list() {
  local name found=
  while IFS= read -r name; do
    found=1
    printf '%-44s %8s  %s\n' "$name" "$(iso_size "$iso_directory/$name")" "$(iso_trustworthiness "$name")"
  done < <(iso_images)
  for name in "$iso_directory"/.*.part; do
    [[ -f $name ]] || continue
    found=1
    name=${name##*/.}
    printf '%-44s %8s  %s\n' "${name%.part}" "$(iso_size "$iso_directory/.$name")" "incomplete; downloading it again goes on"
  done
  [[ -n $found ]] || say "no images in $iso_directory"
}

iso_size() { du -h --apparent-size -- "$1" 2>/dev/null | cut -f 1; }

iso_trustworthiness() {
  local origin=$iso_directory/.$1.origin
  case $(jq -r '.checked // ""' "$origin" 2>/dev/null) in
  signature) printf 'signed by %s\n' "$(jq -r .signed_by "$origin")" ;;
  checksum) say "NOT VERIFIED: checksum without a trusted signature" ;;
  none) say "NOT VERIFIED: taken as it is" ;;
  *) say "put here by hand" ;;
  esac
}

# Its options end up in these, for all functions of the download.
iso_arguments() {
  iso_url='' sums_url='' signature_url='' unverified=''
  while (($#)); do
    case $1 in
    --sums | --signature)
      (($# > 1)) || die $exit_usage "$1 needs a URL" "see $program iso --help"
      printf -v "${1#--}_url" %s "$2"
      shift
      ;;
    --unverified) unverified=1 ;;
    -*) die $exit_usage "'$1' is no option of iso download" "see $program iso --help" ;;
    *)
      [[ -z $iso_url ]] || die $exit_usage "one image at a time: '$1'"
      iso_url=$1
      ;;
    esac
    shift
  done
  [[ $iso_url =~ ^https?://[^/]+/ ]] || die $exit_usage "'$iso_url' is not an address like https://host/name.iso"
  iso_name=${iso_url%%[?#]*}
  iso_name=${iso_name##*/}
  [[ $iso_name =~ $iso_name_pattern ]] ||
    die $exit_usage "'$iso_name' cannot be the name of an image" "letters, digits and . _ + - only, ending in .iso, .img, .qcow2 or .raw"
}

iso_download() {
  local part work iso_url sums_url signature_url unverified iso_name checked=none signed_by='' expected=''
  iso_arguments "$@"
  require_commands curl sha256sum jq
  for part in "$iso_name" "UNVERIFIED-$iso_name"; do
    [[ ! -e $iso_directory/$part ]] || die 1 "'$iso_directory/$part' is there already" "delete it first: $program iso delete $part"
  done
  if [[ -n $dry_run ]]; then
    say "would download $iso_url to $iso_directory/$iso_name"
    return
  fi
  mkdir -p -m 0755 "$iso_directory" 2>/dev/null || die 1 "'$iso_directory' cannot be made"
  work=$(mktemp -d) || die 1 "there is no room for a temporary directory" "free some in ${TMPDIR:-/tmp}"
  # shellcheck disable=SC2064 # its value now
  trap "rm -rf '$work'" EXIT
  part=$iso_directory/.$iso_name.part
  exec {iso_lock}>>"$part" || die 1 "'$part' cannot be written"
  flock -n "$iso_lock" || die 1 "'$iso_name' is being downloaded by someone else" "wait for its end"
  # shellcheck disable=SC2064 # their values now
  trap "rm -rf '$work'; [[ -s '$part' ]] || rm -f '$part'" EXIT

  # What the image should be comes first: no gigabytes for an image that would be refused.
  iso_expect "$work"
  iso_fetch "$part"
  iso_check "$part"
  iso_keep "$part"
}

# fetch URL FILE: small files; 22 is the server's no.
fetch() {
  curl --fail --silent --show-error --location --proto =http,https --proto-redir =http,https \
    --connect-timeout 20 --max-time 120 --max-filesize 4000000 --output "$2" -- "$1"
}

# iso_expect WORK: sets `expected` (a checksum), `checked` and `signed_by`, or refuses.
iso_expect() {
  local work=$1 url status=0 tried=()
  if [[ -n $sums_url ]]; then tried=("$sums_url"); else tried=("${iso_url%/*}/SHA256SUMS" "${iso_url%%[?#]*}.sha256"); fi
  for url in "${tried[@]}"; do
    status=0
    fetch "$url" "$work/sums" 2>"$work/said" || status=$?
    ((status == 0)) || continue
    sums_url=$url
    break
  done
  if ((status != 0)); then
    ((status == 22)) || die 1 "the list of checksums cannot be had: $(tail -n 1 "$work/said")" "look at the network, and try again"
    iso_accept_unverified "there is no list of checksums at ${tried[*]}"
    return
  fi
  iso_signature "$work"
  expected=$(checksum_in "$work/sums" "$iso_name") ||
    die 1 "'$sums_url' has no SHA-256 checksum of '$iso_name'" "give the right list with --sums URL"
  [[ $checked == signature ]] || checked=checksum
}

iso_accept_unverified() {
  [[ -n $unverified ]] || die $exit_data "$1: the image is refused" "trust the signer's key with \`$program iso trust KEYFILE\`, or take it as UNVERIFIED-$iso_name with --unverified"
  warn "$1: the image will be called UNVERIFIED-$iso_name"
}

# checksum_in LIST NAME: in the form of sha256sum, of BSD, or alone in the file.
checksum_in() {
  awk -v name="$2" '
    { sub(/\r$/, "") }
    $1 ~ /^[0-9A-Fa-f]+$/ && length($1) == 64 { file = $2; sub(/^[*]/, "", file); sub(/^.*\//, "", file)
      if (file == name) { print tolower($1); found = 1; exit } if (NF == 1) { alone = $1; count++ } }
    $1 == "SHA256" && $2 == "(" name ")" && $3 == "=" && length($4) == 64 { print tolower($4); found = 1; exit }
    END { if (!found && count == 1) { print tolower(alone); found = 1 } exit !found }' "$1"
}

# iso_signature WORK: who signed the list; a bad signature ends it all.
iso_signature() {
  local work=$1 url status=0 rings=() ring tried=()
  if ! head -n 1 "$work/sums" | grep -q '^-----BEGIN PGP SIGNED MESSAGE-----'; then
    if [[ -n $signature_url ]]; then tried=("$signature_url"); else tried=("$sums_url".{gpg,sign,asc}); fi
    for url in "${tried[@]}"; do
      status=0
      fetch "$url" "$work/signature" 2>"$work/said" || status=$?
      ((status != 0)) || break
    done
    if ((status != 0)); then
      ((status == 22)) || die 1 "the signature cannot be had: $(tail -n 1 "$work/said")" "look at the network, and try again"
      iso_accept_unverified "there is no signature of $sums_url"
      return
    fi
  fi
  for ring in "$keyrings"/*.gpg; do [[ ! -f $ring ]] || rings+=(--keyring "$ring"); done
  if ((${#rings[@]} == 0)); then
    iso_accept_unverified "no key is trusted: $keyrings is empty"
    [[ -e $work/signature ]] || iso_strip_signature "$work"
    return
  fi
  require_commands gpgv
  iso_gpgv "$work" "${rings[@]}"
}

# gpgv's own words for programs decide, not its exit status alone.
iso_gpgv() {
  local work=$1 status=0 files
  shift
  files=("$work/sums")
  [[ ! -e $work/signature ]] || files=("$work/signature" "$work/sums")
  gpgv --quiet --homedir "$work" --status-fd 1 "$@" --output "$work/signed" -- "${files[@]}" >"$work/status" 2>"$work/said" || status=$?
  # Of a list signed within, only what is signed counts.
  [[ -e $work/signature || ! -e $work/signed ]] || mv -f "$work/signed" "$work/sums"
  if grep -qE '^\[GNUPG:\] (BADSIG|EXPKEYSIG|REVKEYSIG|EXPSIG) ' "$work/status"; then
    die $exit_data "the signature of $sums_url is not good: $(sed -n 's/^gpgv: \(.*[Ss]ignature.*\)/\1/p' "$work/said" | tail -n 1)" "the list or its signature was changed: take another mirror"
  elif ((status == 0)) && grep -q '^\[GNUPG:\] VALIDSIG ' "$work/status"; then
    signed_by=$(sed -n 's/^\[GNUPG:\] VALIDSIG \([0-9A-F]*\).*/\1/p' "$work/status" | head -n 1)
    checked=signature
  elif grep -q '^\[GNUPG:\] NO_PUBKEY ' "$work/status"; then
    iso_accept_unverified "$sums_url is signed by the key $(sed -n 's/^\[GNUPG:\] NO_PUBKEY //p' "$work/status" | head -n 1), which is not trusted here"
    [[ -e $work/signature ]] || iso_strip_signature "$work"
  else
    die $exit_data "the signature of $sums_url cannot be checked: $(tail -n 1 "$work/said")" "give the right one with --signature URL"
  fi
}

# A list signed within by a key we do not have: its lines, for what they are worth.
iso_strip_signature() {
  sed -i '1,/^$/d; /^-----BEGIN PGP SIGNATURE-----/,$d' "$1/sums"
}

# iso_fetch PART: goes on where it stopped; whoever interrupts it loses nothing.
iso_fetch() {
  local part=$1 status=0 resumed='' progress=(--silent --show-error)
  [[ ! -t 2 ]] || progress=(--progress-bar)
  # Whole already, and only not checked yet: asking the server for the rest is an error.
  [[ -z $expected || ! -s $part || $(sha256_of "$part") != "$expected" ]] || return 0
  if [[ -s $part ]]; then
    resumed=1
    say "going on after $(iso_size "$part")"
  fi
  iso_curl "$part" || status=$?
  # 33: the server cannot go on; 36: not from there; 22: there is no rest, or no image. Some
  # curls take "no rest" (416) for the end, and what is there may be of an older image.
  if [[ -n $resumed ]] && { ((status == 33 || status == 36 || status == 22)) ||
    { ((status == 0)) && [[ -n $expected && $(sha256_of "$part") != "$expected" ]]; }; }; then
    say "it does not go on from there: from the beginning"
    : >"$part"
    status=0
    iso_curl "$part" || status=$?
  fi
  case $status in
  0) [[ -s $part ]] || iso_give_up "$iso_url is empty" "look at the address" ;;
  22) iso_give_up "the server has no $iso_url" "look at the address" ;;
  23) die 1 "'$iso_directory' cannot be written, or is full" "free some room, and run this again: it goes on" ;;
  *) die 1 "the download was interrupted (curl: $status)" "run this again: it goes on" ;;
  esac
}

iso_curl() {
  curl --fail --location "${progress[@]}" --proto =http,https --proto-redir =http,https --connect-timeout 20 \
    --speed-limit 1 --speed-time 60 --continue-at - --output "$1" -- "$iso_url"
}

# What can never become an image leaves nothing.
iso_give_up() {
  rm -f "$iso_directory/.$iso_name.part"
  die 1 "$@"
}

sha256_of() {
  local sum
  sum=$(sha256sum -- "$1") || die 1 "'$1' cannot be read"
  say "${sum%% *}"
}

iso_check() {
  actual=$(sha256_of "$1") || exit
  [[ -z $expected || $actual == "$expected" ]] ||
    iso_give_up "the checksum is $actual, not $expected as $sums_url says: what came was thrown away" "try again, or another mirror"
}

iso_keep() {
  local part=$1 name=$iso_name origin
  [[ $checked == signature ]] || name=UNVERIFIED-$iso_name
  sync "$part" || die 1 "'$part' cannot be written to the disk" "run this again: it goes on"
  chmod 0644 "$part" || die 1 "'$part' cannot be made readable" "run this again"
  origin=$(jq -n --arg url "$iso_url" --arg sha256 "$actual" --arg signed_by "$signed_by" --arg checked "$checked" \
    --arg at "$(date -u +%FT%TZ)" '{$url, $sha256, signed_by: (if $signed_by == "" then null else $signed_by end), $checked, $at}') ||
    die 1 "jq failed" "run this again: nothing is loaded twice"
  # Of an earlier try: no copy of it is of use.
  rm -f -- "$iso_directory/.$name.origin"
  put_file "$iso_directory/.$name.origin" 0644 <<<"$origin" || die 1 "'$iso_directory' cannot be written" "run this again: nothing is loaded twice"
  mv -n -- "$part" "$iso_directory/$name" || die 1 "'$iso_directory/$name' cannot be written" "run this again: nothing is loaded twice"
  say "$iso_directory/$name: $(iso_trustworthiness "$name")"
}

iso_verify() {
  local file=${1:-} name sums='' signature='' work expected actual checked=none signed_by='' unverified='' iso_name sums_url
  [[ -n $file ]] || die $exit_usage "which file?" "see $program iso --help"
  shift
  while (($#)); do
    case $1 in
    --sums) sums=${2:-} ;;
    --signature) signature=${2:-} ;;
    *) die $exit_usage "'$1' is no option of iso verify" "see $program iso --help" ;;
    esac
    shift $(($# > 1 ? 2 : 1))
  done
  [[ $file == */* ]] || file=$iso_directory/$file
  [[ -f $file ]] || die 1 "there is no file '$file'"
  name=${file##*/}
  if [[ -n $sums ]]; then
    iso_verify_by "$file" "$sums" "$signature"
    return
  fi
  expected=$(jq -re .sha256 "${file%/*}/.$name.origin" 2>/dev/null) ||
    die 1 "it is not known where '$name' is from" "name a list of checksums: $program iso verify $name --sums FILE"
  actual=$(sha256_of "$file") || exit
  [[ $actual == "$expected" ]] || die $exit_data "'$name' is not what was downloaded: its checksum is $actual, and was $expected" "delete it, and download it again"
  say "$name is what was downloaded: $(iso_trustworthiness "$name")"
}

# iso_verify_by FILE SUMS [SIGNATURE]: with files that are here.
iso_verify_by() {
  local file=$1 rings=() ring
  iso_name=${file##*/}
  iso_name=${iso_name#UNVERIFIED-}
  sums_url=$2
  work=$(mktemp -d) || die 1 "there is no room for a temporary directory"
  # shellcheck disable=SC2064 # its value now
  trap "rm -rf '$work'" EXIT
  cp -- "$2" "$work/sums" || die 1 "'$2' cannot be read"
  [[ -z $3 ]] || cp -- "$3" "$work/signature" || die 1 "'$3' cannot be read"
  for ring in "$keyrings"/*.gpg; do [[ ! -f $ring ]] || rings+=(--keyring "$ring"); done
  if [[ -e $work/signature ]] || grep -q '^-----BEGIN PGP SIGNED' "$work/sums"; then
    ((${#rings[@]})) || die $exit_data "no key is trusted: $keyrings is empty" "trust the signer's: $program iso trust KEYFILE"
    require_commands gpgv
    iso_gpgv "$work" "${rings[@]}"
  fi
  expected=$(checksum_in "$work/sums" "$iso_name") || die $exit_data "'$2' has no SHA-256 checksum of '$iso_name'"
  actual=$(sha256_of "$file") || exit
  [[ $actual == "$expected" ]] || die $exit_data "the checksum of '$file' is $actual, not $expected" "delete it, and download it again"
  say "$file has the checksum of $2${signed_by:+, signed by $signed_by}"
  [[ -n $signed_by ]] || say "the list itself is not signed: this shows no damage, and not where it is from"
}

iso_delete() {
  local name=${1:-}
  [[ $name =~ $iso_name_pattern ]] || die $exit_usage "'$name' is not the name of an image"
  [[ -e $iso_directory/$name || -e $iso_directory/.$name.part ]] || die 1 "there is no image '$name' in $iso_directory"
  change rm -f -- "$iso_directory/$name" "$iso_directory/.$name.part" "$iso_directory/.$name.origin" || die 1 "'$iso_directory/$name' cannot be deleted"
}

# iso_trust KEYFILE: the fingerprints are shown; confirmed here or by the menu.
iso_trust() {
  local key=${1:-} name yes=${2:-} work
  [[ -f $key ]] || die $exit_usage "there is no file '$key'" "give a file with the signer's public key"
  require_commands gpg
  work=$(mktemp -d) || die 1 "there is no room for a temporary directory"
  # shellcheck disable=SC2064 # its value now
  trap "rm -rf '$work'" EXIT
  # What is shown is what is trusted: a file of somebody else's could change in between.
  cp -- "$key" "$work/given" || die 1 "'$key' cannot be read"
  gpg --batch --quiet --homedir "$work" --show-keys -- "$work/given" || die $exit_data "'$key' holds no public key"
  [[ $yes == --yes || -n $dry_run ]] || confirm "Trust images that are signed by this key?" || die 1 "not trusted: nothing was changed"
  if grep -q '^-----BEGIN PGP' "$work/given"; then
    gpg --batch --yes --quiet --homedir "$work" --output "$work/key" --dearmor -- "$work/given" || die $exit_data "'$key' cannot be read by gpg"
  else
    mv -- "$work/given" "$work/key"
  fi
  name=${key##*/}
  name=${name%.*}
  put_file "$keyrings/${name//[^A-Za-z0-9._-]/_}.gpg" 0644 <"$work/key" || die 1 "'$keyrings' cannot be written"
}
