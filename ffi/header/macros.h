
/** The version of this header. */
#define REGO_VERSION_MAJOR @MAJOR@
#define REGO_VERSION_MINOR @MINOR@
#define REGO_VERSION_PATCH @PATCH@
/** The version of this header as one number, to compare, in #if as well. */
#define REGO_VERSION_NUMBER                                                                    \
  (REGO_VERSION_MAJOR * 1000000U + REGO_VERSION_MINOR * 1000U + REGO_VERSION_PATCH)

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
/* For the macros below: each language as its strictest warnings want it. */
#ifdef __cplusplus
#  define REGO_SIZE_OF(type) static_cast<uint32_t>(sizeof(type))
#  define REGO_NULL nullptr
#else
#  define REGO_SIZE_OF(type) ((uint32_t)sizeof(type))
#  define REGO_NULL NULL
#endif

/** A rego_error of nothing. */
#define REGO_ERROR_INIT {REGO_SIZE_OF(rego_error), 0, {0}}
/** Defaults throughout; say in `now` what time it is. */
#define REGO_OPTIONS_INIT                                                                      \
  {REGO_SIZE_OF(rego_options), REGO_ABI_VERSION, 0, 0, 0, 0, 0, 0, REGO_NULL, 0}
/** A call that asks for nothing but its key's policy; say in `now` what time it is. */
#define REGO_BEGIN_INIT {REGO_SIZE_OF(rego_begin), 0, 0, 0, 0, 0, 0, 0}
/** Room for standing terms. */
#define REGO_STANDING_INIT {REGO_SIZE_OF(rego_standing), 0, 0, 0, 0, REGO_NULL, 0}
/** No call; say in `now` what time it is. */
#define REGO_SETTLEMENT_INIT {REGO_SIZE_OF(rego_settlement), 0, 0, REGO_NULL, 0}
/** It worked. */
#define REGO_COMPLETION_INIT {REGO_SIZE_OF(rego_completion), 0, 0, 0, 0, 0, 0, 0}
/** The call is answered. */
#define REGO_OUTCOME_INIT {REGO_SIZE_OF(rego_outcome), 0, 0, 0, 0, 0}
/** A classifier of yours; say its name and what it does. */
#define REGO_CLASSIFIER_INIT                                                                   \
  {REGO_SIZE_OF(rego_classifier), 0, {REGO_NULL, 0}, REGO_NULL, REGO_NULL, REGO_NULL}
/** Room for a timeline. */
#define REGO_TIMELINE_INIT                                                                     \
  {REGO_SIZE_OF(rego_timeline), 0, 0, 0, 0, 0, 0, 0, 0, 0, {0}, {0}, {0}}
/** Room for a step. */
#define REGO_STEP_INIT                                                                         \
  {REGO_SIZE_OF(rego_step), 0, 0, 0, UINT64_MAX, {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}}}
/** Work that says nothing but what to do: fill in `attempt`, and what else you need. */
#define REGO_WORK_INIT                                                                         \
  {REGO_SIZE_OF(rego_work), 0,         0,         0,         REGO_NULL, REGO_NULL,             \
   REGO_NULL,               REGO_NULL, REGO_NULL, REGO_NULL, REGO_NULL}
/** An executor without threads: fill in `spawn`, and what else you have. */
#define REGO_EXECUTOR_INIT                                                                     \
  {REGO_SIZE_OF(rego_executor), 0, REGO_NULL, REGO_NULL, REGO_NULL, REGO_NULL, REGO_NULL}
/** Room for a result. */
#define REGO_RESULT_INIT {REGO_SIZE_OF(rego_result), 0, 0, 0, 0, 0, 0, 0, 0}
