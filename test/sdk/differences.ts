// Tests of OpenAI's own clients that may end otherwise through the gateway than without it, each with its reason.

export interface Difference {
  /** Matches names of tests: `test_audio.py::TestVoices::test_method_create[loose]`. */
  readonly tests: RegExp
  readonly reason: string
}

export const differences: readonly Difference[] = [
  { tests: /^admin\//, reason: 'management of the account is not passed on' },
  { tests: /^fine_tuning\/checkpoints\//, reason: 'permissions of other accounts are not passed on' },
  { tests: /^(?:beta\/)?realtime\//, reason: 'Realtime stays out' },
  { tests: /^beta\/chatkit\/test_sessions/, reason: 'the response is a key of the account' },
  {
    tests: /^test_models\.py/,
    reason: "the gateway has a list of its own, and deletes none of the account's",
  },
]
