#include <rego.h>
#include <stdio.h>
#include <string.h>

/* The library that is there is the one that was compiled against. */
int main(void) {
  char version[32];
  rego_options options = REGO_OPTIONS_INIT;
  rego_engine *engine = NULL;
  rego_key key = 0;
  snprintf(version, sizeof version, "%d.%d.%d", REGO_VERSION_MAJOR, REGO_VERSION_MINOR,
           REGO_VERSION_PATCH);
  if (strcmp(version, rego_version()) != 0 || rego_abi_version() != REGO_ABI_VERSION) {
    fprintf(stderr, "%s with a header of %s\n", rego_version(), version);
    return 1;
  }
  if (rego_engine_new(&options, &engine, NULL) != REGO_STATUS_OK ||
      rego_key_intern(engine, REGO_STR("svc.Get"), &key) != REGO_STATUS_OK) {
    return 2;
  }
  return rego_engine_release(engine) == 0 ? 0 : 3;
}
