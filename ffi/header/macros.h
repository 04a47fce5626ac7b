
/** The version of this header. */
#define REGO_VERSION_MAJOR @MAJOR@
#define REGO_VERSION_MINOR @MINOR@
#define REGO_VERSION_PATCH @PATCH@
/** The version of this header as one number, to compare. */
#define REGO_VERSION_NUMBER                                                                    \
  ((uint32_t)(REGO_VERSION_MAJOR * 1000000 + REGO_VERSION_MINOR * 1000 + REGO_VERSION_PATCH))

/* Define REGO_STATIC where the static library is linked on Windows. */
#if defined(_WIN32) && !defined(REGO_STATIC)
#  define REGO_API __declspec(dllimport)
#elif defined(__GNUC__) && !defined(_WIN32)
#  define REGO_API __attribute__((visibility("default")))
#else
#  define REGO_API
#endif
#if defined(__GNUC__)
#  define REGO_NODISCARD __attribute__((warn_unused_result))
#else
#  define REGO_NODISCARD
#endif
#ifdef __cplusplus
#  define REGO_NOEXCEPT noexcept
#else
#  define REGO_NOEXCEPT
#endif

/** A rego_str of a string literal. */
#ifdef __cplusplus
#  define REGO_STR(literal) (rego_str{"" literal, sizeof(literal) - 1})
#else
#  define REGO_STR(literal) ((rego_str){"" literal, sizeof(literal) - 1})
#endif

/** A rego_error of nothing. */
#define REGO_ERROR_INIT {(uint32_t)sizeof(rego_error), 0, {0}}
/** Defaults throughout; say in `now` what time it is. */
#define REGO_OPTIONS_INIT {(uint32_t)sizeof(rego_options), REGO_ABI_VERSION, 0, 0, 0, 0, 0, 0, 0, 0}
/** A call that asks for nothing but its key's policy; say in `now` what time it is. */
#define REGO_BEGIN_INIT {(uint32_t)sizeof(rego_begin), 0, 0, 0, 0, 0, 0}
/** It worked. */
#define REGO_COMPLETION_INIT {(uint32_t)sizeof(rego_completion), 0, 0, 0, 0, 0, 0, 0}
/** The call is answered. */
#define REGO_OUTCOME_INIT {(uint32_t)sizeof(rego_outcome), 0, 0, 0, 0, 0}
/** A classifier of yours; say its name and what it does. */
#define REGO_CLASSIFIER_INIT {(uint32_t)sizeof(rego_classifier), 0, {0, 0}, 0, 0, 0}
/** Room for a timeline. */
#define REGO_TIMELINE_INIT                                                                     \
  {(uint32_t)sizeof(rego_timeline), 0, 0, 0, 0, 0, 0, 0, 0, 0, {0}, {0}, {0}}
/** Room for a step. */
#define REGO_STEP_INIT                                                                         \
  {(uint32_t)sizeof(rego_step), 0, 0, 0, UINT64_MAX, {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}}}
/** Work that says nothing but what to do: fill in `attempt`, and what else you need. */
#define REGO_WORK_INIT {(uint32_t)sizeof(rego_work), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
/** An executor without threads: fill in `spawn`, and what else you have. */
#define REGO_EXECUTOR_INIT {(uint32_t)sizeof(rego_executor), 0, 0, 0, 0, 0, 0}
/** Room for a result. */
#define REGO_RESULT_INIT {(uint32_t)sizeof(rego_result), 0, 0, 0, 0, 0, 0, 0, 0}
