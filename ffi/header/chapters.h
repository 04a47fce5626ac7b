/*
 * rego: retries, hedging and budgets as one small state machine.
 *
 * Generated: the source is in ffi/src, and a test rewrites this file. Not the policy language of
 * the same name.
 *
 *   rego_options options = REGO_OPTIONS_INIT;
 *   options.now = now();                     // nanoseconds of your own monotonic clock
 *   rego_engine *engine;
 *   rego_status status = rego_engine_new(&options, &engine, NULL);
 *   rego_key key;
 *   status = rego_key_intern(engine, REGO_STR("user-service.GetUser"), &key);
 *
 *   rego_begin begin = REGO_BEGIN_INIT;
 *   begin.now = now();
 *   rego_call call;
 *   rego_step step = REGO_STEP_INIT;
 *   status = rego_call_begin(engine, key, &begin, &call, &step);
 *   // Do what step.actions says: START an attempt, and when it has ended
 *   rego_completion facts = REGO_COMPLETION_INIT;
 *   status = rego_attempt_finish(engine, step.actions[0].attempt, now(), &facts, &step);
 *   // which for an attempt that worked answers with DONE. After a failure there may be nothing to
 *   // do until step.wake_at: rego_call_poll(engine, call, now(), &step) then.
 *
 * LAYERS
 *
 * There are three ways to make a call. rego_call_*: the host runs attempts and says what time it is,
 * and is told what to do next; nothing is called back. rego_loop_*: the same for many calls on one
 * event loop, whose timers the library keeps. A host to which crossings are dear may make first
 * attempts before their calls begin: see rego_key_standing. rego_execute and rego_submit, which are such a host
 * themselves: the library has attempts run by callbacks, on the calling thread or on threads that
 * the host supplies.
 *
 * THREADS
 *
 * The library starts no thread. What belongs to the first two layers reads no clock, and waits for no
 * other thread in a call's way, but that a begin with hedging now and then sums up its key's
 * latencies, for which it takes a lock that nobody holds for longer than that, and that a begin on an
 * edition that is not in force any more looks for its terms under one. rego_execute waits,
 * that is what it is for. Every function says who may call it; where it says "any thread, at any
 * time", also several at once on the same engine, the same call, the same attempt. Where two threads come with news of one call, one of them drives it and gets the actions, the other a step with
 * REGO_STEP_ELSEWHERE. What a thread passes for a function to write to is that thread's alone
 * until the function returns.
 *
 * LIFETIMES
 *
 * An engine lives until it was released as often as it was made and retained. Whoever calls a
 * function holds a reference while it runs. Keys live as long as their engine. Calls and attempts
 * are numbers that name a place and which use of it: to keep, lose or repeat one does no harm; one
 * that is over, or was never given out, answers REGO_STATUS_STALE. Ids hold for the engine that
 * gave them out. A loop is one owner's to free, once. A call is over with its DONE; one that was
 * begun with REGO_BEGIN_KEEP is there to be read after that, until rego_call_end. Every attempt that
 * was started is to be finished once, also after the DONE. What is passed in is borrowed for the
 * duration of the function; nothing that the library returns is to be freed.
 *
 * POINTERS
 *
 * A pointer that is not said to be optional is checked for NULL, and for its alignment; nothing is
 * written through an output but on success, through rego_error but on failure. Beyond that a
 * pointer must be what its type says. Structs begin with their own size, which the macros named
 * ..._INIT set, together with what else is not 0 by default. A program that was compiled with an
 * older header may pass its smaller structs; one with a newer header, its larger ones, as long as
 * what this library does not know is 0. No struct is larger than 4,096 bytes: a size beyond that, or
 * less than the struct ever had, is none, and REGO_STATUS_INVALID. A callback writes no further into
 * a struct that it is handed than the struct's own size says. An unknown flag or kind, or a reserved
 * field that is not 0, is REGO_STATUS_UNSUPPORTED.
 *
 * RE-ENTRANCY
 *
 * Callbacks are handed the userdata that they were registered with. Where there is a `drop`, it is
 * called exactly once, after the last of the other callbacks has returned, and also where the
 * registration is refused: for an unknown tail, too, but not where the struct cannot be read, as its
 * pointer is NULL or not aligned, or its size is none. None is called while the library holds a
 * lock, so every function may be called from every callback, but: nobody may wait in a `notify`
 * (rego_execute, rego_engine_load_policies and rego_key_intern answer REGO_STATUS_BUSY there), a
 * callback must not free what it is called for, and none may unwind: an exception or a longjmp that
 * leaves it ends the process. Of a submitted call only its id is told
 * from within rego_submit; all else on threads of its executor's, or of those that cancel it. From a signal handler only what is
 * said to be async-signal-safe may be called. Where memory runs out, the process ends.
 *
 * FORK
 *
 * A child of fork draws other jitter than its parent, by itself, unless the engine has a seed of
 * its own. It has copies of the engines and of the calls in the air, which are its own from then
 * on: what it does with them does not reach the parent; rego_engine_after_fork_child ends them
 * instead. What rego_execute and rego_submit run on other threads does not go on in the child.
 * Where another thread was inside a function of this library at the time of the fork, the child must
 * not use that engine, nor free its loops: what the other thread held stays locked and half done.
 * That holds of an attempt, too, which forks within rego_execute: its child calls exec or _exit, and
 * does not return.
 *
 * UNLOADING
 *
 * The library stays in memory after dlclose (it is linked with -z nodelete): threads of the host's
 * run its destructors when they end. To load it again is fine.
 */
