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
hv_page(bash hvlaunch ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
hv_page(zsh _hvlaunch ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions)
hv_page(fish hvlaunch.fish ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
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
set(CPACK_DEBIAN_HVLAUNCH_PACKAGE_RECOMMENDS
  "qemu-system-x86 | qemu-system-arm | qemu-system-misc, qemu-utils, ovmf | qemu-efi-aarch64, pci.ids")
set(CPACK_DEBIAN_HVLAUNCH_PACKAGE_SUGGESTS "swtpm, swtpm-tools, xorriso")
set(CPACK_DEBIAN_HVLAUNCH_PACKAGE_CONTROL_EXTRA
  "${PROJECT_SOURCE_DIR}/systemd/debian/postinst;${PROJECT_SOURCE_DIR}/systemd/debian/postrm")
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
