# What is installed beside the program, and the packages made of it all:
# `cpack --preset deb` makes hvlaunch_*.deb, and libqmp-dev_*.deb for programs
# that use the QMP library.

# The program writes its own pages, so they cannot differ from it.
set(pages_dir ${PROJECT_BINARY_DIR}/pages)
set(pages)
function(hv_page document file destination)
  set(path ${pages_dir}/${file})
  add_custom_command(OUTPUT ${path} DEPENDS hvlaunch VERBATIM
    COMMAND ${CMAKE_COMMAND} -E make_directory ${pages_dir}
    COMMAND hvlaunch document ${document} > ${path})
  install(FILES ${path} DESTINATION ${destination})
  set(pages ${pages} ${path} PARENT_SCOPE)
endfunction()
hv_page(man hvlaunch.1 ${CMAKE_INSTALL_MANDIR}/man1)
hv_page(profile.5 hvlaunch-profile.5 ${CMAKE_INSTALL_MANDIR}/man5)
hv_page(bash hvlaunch ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
hv_page(zsh _hvlaunch ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions)
hv_page(fish hvlaunch.fish ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)

# The suite: commands, each linked into bin, which find their libraries beside
# themselves. Whatever lies in scripts/suite is one, so that a new one needs no line here.
file(GLOB suite CONFIGURE_DEPENDS LIST_DIRECTORIES false ${PROJECT_SOURCE_DIR}/scripts/suite/*)
file(GLOB suite_libraries CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/scripts/suite/lib/*)
set(suite_dir lib/hvlaunch/suite)
install(PROGRAMS ${suite} DESTINATION ${suite_dir})
install(FILES ${suite_libraries} DESTINATION ${suite_dir}/lib)

# hv_alias(TARGET NAME DESTINATION): a link that is installed.
function(hv_alias target name destination)
  set(path ${pages_dir}/links/${destination}/${name})
  file(MAKE_DIRECTORY ${pages_dir}/links/${destination})
  file(CREATE_LINK ${target} ${path} SYMBOLIC)
  install(FILES ${path} DESTINATION ${destination})
endfunction()
# hv_suite_page(KIND FILE DESTINATION): made from what each command says to --help.
function(hv_suite_page kind file destination)
  set(path ${pages_dir}/suite/${file})
  set(maker ${PROJECT_SOURCE_DIR}/scripts/lib/suite-pages)
  add_custom_command(OUTPUT ${path} DEPENDS ${suite} ${suite_libraries} ${maker} VERBATIM
    COMMAND ${CMAKE_COMMAND} -E make_directory ${pages_dir}/suite
    COMMAND ${maker} ${kind} ${suite} > ${path})
  install(FILES ${path} DESTINATION ${destination})
  set(pages ${pages} ${path} PARENT_SCOPE)
endfunction()
if(suite)
  set(man1 ${CMAKE_INSTALL_MANDIR}/man1)
  set(bash_completions ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
  set(fish_completions ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
  hv_suite_page(man hv.1 ${man1})
  hv_suite_page(bash hv ${bash_completions})
  hv_suite_page(zsh _hv ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions)
  hv_suite_page(fish hv.fish ${fish_completions})
  foreach(path IN LISTS suite)
    get_filename_component(name ${path} NAME)
    hv_alias(../${suite_dir}/${name} ${name} ${CMAKE_INSTALL_BINDIR})
    if(NOT name STREQUAL hv) # Shells and man look for a file of the command's name.
      hv_alias(hv.1 ${name}.1 ${man1})
      hv_alias(hv ${name} ${bash_completions})
      hv_alias(hv.fish ${name}.fish ${fish_completions})
    endif()
  endforeach()
endif()
add_custom_target(pages ALL DEPENDS ${pages})

# systemd's generators are found by their place; ours is the program by another name.
file(CREATE_LINK ../../../bin/hvlaunch ${PROJECT_BINARY_DIR}/hvlaunch-generator SYMBOLIC)
foreach(scope system user)
  install(FILES systemd/hvlaunch.target DESTINATION lib/systemd/${scope})
  install(FILES ${PROJECT_BINARY_DIR}/hvlaunch-generator DESTINATION lib/systemd/${scope}-generators)
endforeach()
# Below the prefix: systemd looks in /usr/lib and in /usr/local/lib.
install(DIRECTORY systemd/system systemd/user DESTINATION lib/systemd)
install(FILES systemd/sysusers.d/hvlaunch.conf DESTINATION lib/sysusers.d)
install(FILES systemd/tmpfiles.d/hvlaunch.conf DESTINATION lib/tmpfiles.d)

install(DIRECTORY profiles/examples DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES README.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} RENAME copyright)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_CONTACT "The hvlaunch founders <hvlaunch@localhost>")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
# CPack puts any other summary than its own default before those of the packages.
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${CMAKE_PROJECT_NAME} built using CMake")
set(CPACK_COMPONENTS_ALL hvlaunch qmp)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)

set(CPACK_DEBIAN_HVLAUNCH_PACKAGE_NAME hvlaunch)
set(CPACK_DEBIAN_HVLAUNCH_PACKAGE_SECTION admin)
set(CPACK_DEBIAN_HVLAUNCH_PACKAGE_SHLIBDEPS ON)
# The suite's commands read hvlaunch's answers with jq, and ask their questions by whiptail.
set(CPACK_DEBIAN_HVLAUNCH_PACKAGE_DEPENDS "bash, jq, whiptail | dialog")
set(CPACK_DEBIAN_HVLAUNCH_PACKAGE_RECOMMENDS
  "qemu-system-x86 | qemu-system-arm | qemu-system-misc, qemu-utils, ovmf | qemu-efi-aarch64, pci.ids, curl, gpg, gpgv, libxml2-utils, pciutils")
set(CPACK_DEBIAN_HVLAUNCH_PACKAGE_SUGGESTS "swtpm, swtpm-tools, xorriso, git")
set(CPACK_DEBIAN_HVLAUNCH_PACKAGE_CONTROL_EXTRA
  "${PROJECT_SOURCE_DIR}/systemd/debian/postinst;${PROJECT_SOURCE_DIR}/systemd/debian/prerm;${PROJECT_SOURCE_DIR}/systemd/debian/postrm")
set(CPACK_DEBIAN_HVLAUNCH_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_COMPONENT_HVLAUNCH_DESCRIPTION
  "direct QEMU/KVM launcher\nA virtual machine is one JSON file. hvlaunch makes a QEMU command line of it,\nstarts it, and stops it cleanly, without libvirt and without a daemon.")

set(CPACK_DEBIAN_QMP_PACKAGE_NAME libqmp-dev)
set(CPACK_DEBIAN_QMP_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_QMP_PACKAGE_SHLIBDEPS OFF) # A static library.
set(CPACK_DEBIAN_QMP_PACKAGE_DEPENDS "libboost-json1.81-dev")
set(CPACK_COMPONENT_QMP_DESCRIPTION
  "client library for QEMU's machine protocol (QMP)\nA blocking client in C++23 with deadlines and bounded buffers: headers, a\nstatic library, and files for CMake and pkg-config.")
include(CPack)
