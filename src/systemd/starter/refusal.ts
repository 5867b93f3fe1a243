// Why systemctl or systemd-run has failed, as a word for the gateway (`StarterMessage`). They print it for people only.

/** How a program ended. */
export interface Finished {
  /** The exit status; undefined when it could not be run, or was killed for its time. */
  readonly status: number | undefined
  readonly stdout: string
  readonly stderr: string
}

const reasons: readonly (readonly [pattern: RegExp, reason: string])[] = [
  [
    /Failed to connect to (?:system |user )?(?:scope )?bus|Connection refused|Transport endpoint/i,
    'manager-unreachable',
  ],
  [/Access denied|authentication required|Permission denied|not authorized/i, 'not-permitted'],
  [/is masked/i, 'masked'],
  [/Failed to find executable/i, 'no-program'],
  [/not found|no such unit/i, 'not-found'],
  [/bad unit file setting/i, 'bad-setting'],
]

/** @param finished of a program that has not succeeded. */
export function refusalOf({ status, stderr }: Finished): string {
  if (status === undefined) return 'manager-unreachable'
  return reasons.find(([pattern]) => pattern.test(stderr))?.[1] ?? 'refused'
}

/** Of a stop: the manager does not know the unit, so it does not run either. */
export function isNotLoaded({ stderr }: Finished): boolean {
  return /not loaded|not found/i.test(stderr)
}
