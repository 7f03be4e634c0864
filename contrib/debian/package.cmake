# A Debian package by CPack: cmake --preset release && cmake --build build && (cd build && cpack -G DEB), or scripts/package.
#
# What belongs to a Debian system as a whole (units, users, /etc) is the component "system": in the package, but not in
# `cmake --install`, which puts programs, playbooks and pages below a prefix of your choice.

set(here ${CMAKE_CURRENT_LIST_DIR})
set(contrib ${CMAKE_SOURCE_DIR}/contrib)
set(ready ${CMAKE_BINARY_DIR}/package)

# The manual's flags and verbs are the programs' own --help.
foreach(page mendd.8 mendctl.1)
  get_filename_component(program ${page} NAME_WE)
  add_custom_command(
    OUTPUT ${ready}/${page}.gz
    COMMAND ${CMAKE_COMMAND} -E make_directory ${ready}
    COMMAND ${contrib}/man/page $<TARGET_FILE:${program}> ${contrib}/man/${page}.in ${ready}/${page}
    COMMAND gzip -9nf ${ready}/${page}
    DEPENDS ${program} ${contrib}/man/page ${contrib}/man/${page}.in
    VERBATIM)
endforeach()
add_custom_command(
  OUTPUT ${ready}/changelog.gz
  COMMAND ${CMAKE_COMMAND} -E make_directory ${ready}
  COMMAND gzip -9nc ${here}/changelog > ${ready}/changelog.gz
  DEPENDS ${here}/changelog
  VERBATIM)
add_custom_target(pages ALL DEPENDS ${ready}/mendd.8.gz ${ready}/mendctl.1.gz ${ready}/changelog.gz)

install(FILES ${ready}/mendd.8.gz DESTINATION ${CMAKE_INSTALL_MANDIR}/man8)
install(FILES ${ready}/mendctl.1.gz DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES ${contrib}/bash-completion/mendctl DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
install(DIRECTORY ${CMAKE_SOURCE_DIR}/docs/ DESTINATION ${CMAKE_INSTALL_DOCDIR} PATTERN coverage.yaml EXCLUDE)
foreach(examples alertmanager grafana mendd prometheus)
  install(DIRECTORY ${contrib}/${examples} DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples)
endforeach()

# Absolute, wherever the prefix is: the units name /usr/bin and /etc.
install(FILES ${contrib}/systemd/mendd.service ${contrib}/systemd/mendd.socket DESTINATION /lib/systemd/system COMPONENT system
        EXCLUDE_FROM_ALL)
install(FILES ${contrib}/systemd/sysusers.conf DESTINATION /usr/lib/sysusers.d RENAME mendd.conf COMPONENT system EXCLUDE_FROM_ALL)
install(FILES ${contrib}/systemd/tmpfiles.conf DESTINATION /usr/lib/tmpfiles.d RENAME mendd.conf COMPONENT system EXCLUDE_FROM_ALL)
install(FILES ${here}/mendd.yaml DESTINATION /etc/mendd COMPONENT system EXCLUDE_FROM_ALL)
install(DIRECTORY DESTINATION /etc/mendd/playbooks COMPONENT system EXCLUDE_FROM_ALL)
install(FILES ${here}/default DESTINATION /etc/default RENAME mendd COMPONENT system EXCLUDE_FROM_ALL)
install(FILES ${here}/copyright ${ready}/changelog.gz DESTINATION /usr/share/doc/mendd COMPONENT system EXCLUDE_FROM_ALL)
install(FILES ${here}/lintian-overrides DESTINATION /usr/share/lintian/overrides RENAME mendd COMPONENT system EXCLUDE_FROM_ALL)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME mendd)
set(CPACK_PACKAGE_VENDOR "The mendd authors")
set(CPACK_PACKAGE_CONTACT "The mendd authors <mendd@example.org>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "turns Prometheus alerts into proven repairs on Kubernetes")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION
"Alertmanager posts an alert; a playbook says what to do; typed actions go
through the Kubernetes API; checks prove the repair; the alert is closed only
after the proof. If the proof fails, mendd undoes what it did and tells a
person. Every step stands in a journal that operators read with mendctl.
.
This package has the daemon, the operator's tool, the shipped playbooks and
units for systemd.")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_STRIP_FILES ON)
set(CPACK_COMPONENTS_ALL Unspecified system)
set(CPACK_COMPONENTS_GROUPING ALL_COMPONENTS_IN_ONE)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION admin)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "systemd (>= 252), passwd, procps")
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "ca-certificates")
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "prometheus-alertmanager, prometheus")
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${here}/postinst ${here}/prerm ${here}/postrm ${here}/conffiles)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
include(CPack)
