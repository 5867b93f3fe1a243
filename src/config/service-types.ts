// A checked configuration: model servers that the service manager starts when they are called.

/** How the server of a provider is started and stopped. */
export interface ServiceConfig {
  /** With its ending `.service`; of a `run`, of a transient unit of that name. */
  readonly unit: string
  /** The command of a transient unit. Absent: the unit is one that the manager knows. */
  readonly run?: TransientUnit
  /** What answers a GET with 2xx once the server takes calls; below the server's root. Absent: by the provider's kind. */
  readonly readyPath?: string
  /** From the command to start until the server is ready, in milliseconds. */
  readonly startTimeoutMs: number
  /** Without a call, in milliseconds. Absent: it is never stopped for that. */
  readonly stopAfterIdleMs?: number
  /** The gateway never stops it, neither when it is idle nor for other members of its group. */
  readonly isKept: boolean
  /** It is started with the gateway. */
  readonly startsAtBoot: boolean
  /** What a call does whose best target is not running: wait for it, or go to another target that is. */
  readonly whenStarting: 'wait' | 'failover'
}

export interface TransientUnit {
  /** The program by its absolute path, and its arguments; no shell reads them. */
  readonly command: readonly string[]
  /** Of the process, besides what the manager passes to all. */
  readonly environment: ReadonlyMap<string, string>
  /** Absolute. Absent: the manager's. */
  readonly workingDirectory?: string
  /** As systemd has it (`MemoryMax=`): bytes, with K, M, G or T, or a percentage. Absent: no limit. */
  readonly memoryMax?: string
}

export interface ServicesConfig {
  /** Whose units: the user's own (`systemctl --user`), or the machine's. */
  readonly manager: 'user' | 'system'
  readonly groups: ReadonlyMap<string, ServiceGroupConfig>
}

/** Services that share something: a GPU. A service belongs to one group at most. */
export interface ServiceGroupConfig {
  /** Names of providers that have a `service`. */
  readonly members: readonly string[]
  /** How many of them run at once, at most; at least 1. */
  readonly running: number
  /** For so long one that has callers is not stopped for others that wait, in milliseconds from when it was ready. */
  readonly minRunMs: number
  /** After so long one takes no further calls while others wait, in milliseconds from when it was ready. */
  readonly maxRunMs: number
}

/** Of a group that the configuration does not have: any number of services. */
export const noServices: ServicesConfig = { manager: 'user', groups: new Map() }
