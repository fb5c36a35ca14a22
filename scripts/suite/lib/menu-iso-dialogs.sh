# shellcheck shell=bash disable=SC2154,SC2034 # names of common.sh and of menu-iso.sh
# SPDX-License-Identifier: MIT
#
# The ISO manager of the menu: menu-iso.sh does the work, in a process of its own.

iso_menu() {
  local picked
  while true; do
    picked=$(ui_menu "ISO manager" "$(iso_list | cut -c -70)" \
      download "Download an image, and verify it" \
      verify "Verify an image again" \
      trust "Trust a signing key" \
      delete "Delete an image") || return 0
    case $picked in
    download) iso_download_dialog || true ;;
    verify) ! picked=$(iso_pick "Verify") || ui_run "Verify $picked" again iso verify "$picked" || true ;;
    trust) iso_trust_dialog || true ;;
    delete)
      picked=$(iso_pick "Delete") || continue
      ! ui_default=no ui_yesno "Delete" "Delete $picked?" || ui_run "Delete $picked" again iso delete "$picked" || true
      ;;
    esac
  done
}

iso_pick() {
  local name words=()
  while IFS= read -r name; do words+=("$name" "$(iso_trustworthiness "$name")"); done < <(iso_images)
  if ((${#words[@]} == 0)); then
    ui_message "$1" "There is no image in $iso_directory."
    return 1
  fi
  ui_menu "$1" "Which image?" "${words[@]}"
}

# Known sources are the administrator's, in config.json: iso_sources, a list of
# {"name", "url", "sums", "signature"}.
iso_download_dialog() {
  local url sums='' signature='' words=() name picked unverified=()
  while IFS=$'\t' read -r name url; do words+=("$name" "$url"); done < <(
    jq -r '.iso_sources[]? | [.name, .url] | @tsv' "$settings/config.json" 2>/dev/null
  )
  picked=other
  ((${#words[@]} == 0)) || picked=$(ui_menu "Download" "Sources of config.json:" "${words[@]}" other "Another address") || return 1
  if [[ $picked == other ]]; then
    url=$(ui_input "Download" "The image's address:" "https://") || return 1
  else
    # Not a tab between them, of which two would count as one.
    IFS=$'\x1f' read -r url sums signature < <(jq -r --arg name "$picked" \
      'first(.iso_sources[] | select(.name == $name)) | [.url, .sums // "", .signature // ""] | join("\u001f")' "$settings/config.json")
  fi
  ui_default=no ui_yesno "Download" "If there is no signature by a trusted key, take the image nevertheless, marked UNVERIFIED? No: it is refused." &&
    unverified=(--unverified)
  ui_terminal again iso download "$url" ${sums:+--sums "$sums"} ${signature:+--signature "$signature"} "${unverified[@]}"
}

iso_trust_dialog() {
  local key shown copy
  key=$(ui_input "Trust a key" "The file with the signer's public key:" "/root/key.asc") || return 1
  copy=$(mktemp -d) || return 1
  if ! shown=$(cp -- "$key" "$copy/" 2>&1) || ! shown=$(gpg --batch --quiet --show-keys -- "$copy/${key##*/}" 2>&1); then
    rm -rf "$copy"
    ui_message "Trust a key" "$shown"
    return 1
  fi
  if ui_default=no ui_yesno "Trust a key" "$shown"$'\n\n'"Compare the fingerprint with one that you have from elsewhere. Trust images that are signed by this key?"; then
    ui_run "Trust a key" again iso trust "$copy/${key##*/}" --yes || true
  fi
  rm -rf "$copy"
}
