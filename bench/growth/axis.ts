// Something that may grow, and how it is measured at some sizes.
import type { Place } from '../gateways/contender.ts'
import type { OwnSetup } from '../gateways/contenders/ours.ts'
import type { Instance } from '../gateways/instance.ts'
import type { Load } from '../gateways/processes.ts'
import type { Calls } from '../gateways/tasks.ts'
import type { axisNames } from './options.ts'

export type AxisName = (typeof axisNames)[number]

/** How much is measured; small numbers for a smoke run. */
export interface Scale {
  readonly isQuick: boolean
  readonly rounds: number
  /** Length of one measurement. */
  readonly measureMs: number
  /** Calls before a measurement, on the same connections. */
  readonly leadMs: number
  /** What ends first ends the warm-up of a process. */
  readonly warmUpMs: number
  readonly warmUpCalls: number
  readonly models: number
  readonly windowEntries: number
  readonly keys: number
  readonly ledgerRows: number
  readonly streams: number
  readonly workers: number
}

export interface Axis {
  readonly name: AxisName
  /** What grows. */
  readonly title: string
  /** False where each further one is work for a call: it is shown and not judged. */
  readonly shouldBeFlat: boolean
  /** For the report. */
  readonly note?: string
  /** The smallest comes first: the others are held against it. */
  points(scale: Scale): readonly Point[]
}

/** What a point has to work with when its process is warm. */
export interface At {
  readonly instance: Instance
  readonly load: Load
  readonly scale: Scale
  /** Ends the streams that the upstream holds. */
  releaseHeld(): void
}

/** One size. */
export interface Point {
  readonly size: number
  readonly setup: Omit<OwnSetup, 'models'>
  readonly calls: (instance: Instance) => Calls
  /**
   * Between the warm-up and the first round.
   * @returns a note for the report; undefined: there is none.
   */
  readonly grow?: (at: At) => Promise<string | undefined>
  /** After the last round. @returns why something failed; undefined: nothing did. */
  readonly shrink?: (at: At) => Promise<string | undefined>
  /** True where the process works without calls too: that is measured beforehand and subtracted. */
  readonly worksAtRest?: boolean
  /** Shown, and not held against the smallest. */
  readonly isAside?: boolean
}

/** The most that the configuration takes. */
const [rpm, tpm] = [10_000_000, 1_000_000_000_000]

export interface Choices {
  readonly workers?: number
  /** Besides `bench`. */
  readonly models?: readonly string[]
  /** Members of the configuration. */
  readonly more?: object
  /** Members of its `server`. */
  readonly server?: object
  readonly provider?: object
  readonly model?: object
}

/** Every default on, and limits that count everything and refuse nothing. */
export function growthConfig(choices: Choices = {}): (place: Place) => string {
  const { workers = 1, models = [], more = {}, server = {}, provider = {}, model = {} } = choices
  return ({ port, upstreamPort }) =>
    JSON.stringify({
      server: { hosts: ['127.0.0.1'], port, workers, shutdown_grace_ms: 1000, ...server },
      rate_limit_settings: {
        per_client: { rpm },
        // Windows of the least size, so that thousands of them fit.
        default: { rpm: models.length < 100 ? rpm : 250, tpm },
        limits: { bench: { rpm, tpm } },
      },
      providers: { scripted: { base_url: `http://127.0.0.1:${upstreamPort}/v1`, ...provider } },
      models: Object.fromEntries(
        ['bench', ...models].map((name) => [name, { provider: 'scripted', ...model }]),
      ),
      ...more,
    })
}

export function plainCalls(instance: Instance): Calls {
  return instance.callsOf({ kind: 'plain' }, 0, ['bench'])
}
