// A figure of the report, and the place where its values are gathered.
import type { Contender, Found } from './contender.ts'
import type { Ground, Instance } from './instance.ts'
import type { Load } from './processes.ts'
import type { Outcome } from './tasks.ts'

/** How much is measured; small numbers for a smoke run. */
export interface Scale {
  readonly rounds: number
  /** Length of one measurement; others follow from it. */
  readonly measureMs: number
  /** What ends first ends the warm-up of a contender. */
  readonly warmUpMs: number
  readonly warmUpCalls: number
  /** Calls before a measurement of what a call costs: a contender at work, not one that wakes up. */
  readonly leadMs: number
  readonly openRate: number
  readonly streams: number
  readonly heldStreams: number
  readonly bodyBytes: readonly number[]
  readonly isQuick: boolean
}

/** One row of the report. */
export interface Figure {
  readonly id: string
  readonly title: string
  readonly unit: string
  readonly digits: number
  /** True where more is better: ratios are theirs to ours then, so that below 1 is always better for ours. */
  readonly isMoreBetter?: boolean
  /** True for what tells of the measurement, and not who is better. */
  readonly isContext?: boolean
  /** Which of those that are measured have a value; absent: all. */
  readonly has?: (contender: Contender) => boolean
}

export interface Sample {
  readonly figure: string
  readonly contender: string
  readonly round: number
  readonly value: number
  readonly failed: number
}

/** Sampled time of our main thread by place, over so many calls or events. */
export interface Profile {
  readonly of: string
  readonly us: Readonly<Record<string, number>>
  readonly count: number
}

export class Ledger {
  readonly samples: Sample[] = []
  readonly profiles: Profile[] = []
  readonly notes: string[] = []
  /** By contender and figure: why calls failed or a value is missing, and how often. */
  readonly faults = new Map<string, Map<string, number>>()

  /** A value that is no number becomes a fault. */
  add(sample: Omit<Sample, 'failed'>, outcome?: Pick<Outcome, 'failed' | 'faults'>): void {
    const { contender, figure, value } = sample
    const failed = outcome?.failed ?? 0
    if (failed > 0) {
      for (const [reason, count] of Object.entries(outcome!.faults)) {
        this.addFault(contender, figure, reason, count)
      }
    }
    if (Number.isFinite(value)) this.samples.push({ ...sample, failed })
    else this.addFault(contender, figure, 'no value')
  }

  addFault(contender: string, figure: string, reason: string, count = 1): void {
    const where = `${contender}, ${figure}`
    const reasons = this.faults.get(where) ?? new Map<string, number>()
    this.faults.set(where, reasons)
    reasons.set(reason, (reasons.get(reason) ?? 0) + count)
  }
}

/** The reasons of a fault in one line. */
export function describeFaults(reasons: ReadonlyMap<string, number>): string {
  return [...reasons].map(([reason, count]) => `${count} × ${reason}`).join(', ')
}

export interface Entrant {
  readonly contender: Contender
  readonly found: Found & { readonly kind: 'found' }
}

/** What the measurements work with. */
export interface Stage {
  readonly scale: Scale
  readonly load: Load
  readonly ground: Ground
  readonly ledger: Ledger
  /** Those that answered right; ours is among them or not. */
  readonly entrants: readonly Entrant[]
  /** The upstream itself, without anything in front of it. */
  readonly direct: Pick<Instance, 'callsOf'>
  readonly isPacked: boolean
  /** The items in this round's order. */
  inTurn<Item>(items: readonly Item[]): Item[]
  releaseHeld(): void
  tell(text: string): void
}

/** A group of figures that are measured together. */
export interface Measurement {
  readonly name: string
  readonly figures: (scale: Scale) => readonly Figure[]
  /** @param instances of all entrants, warm; measurements that start their own leave them alone. */
  measure(stage: Stage, instances: readonly Instance[]): Promise<void>
  /** True where no other process shall run meanwhile. */
  readonly startsItsOwn?: boolean
  /** Whose calls it makes; absent: those who take chat calls. */
  readonly takes?: (contender: Contender) => boolean
}

/** Whether a measurement is made of a contender. */
export function takesPart({ name, takes = takesChat }: Measurement, contender: Contender): boolean {
  return takes(contender) && (contender.measurements?.includes(name) ?? true)
}

function takesChat({ entrances }: Contender): boolean {
  return entrances.chat !== undefined
}

/** Name under which values without a gateway are kept. */
export const directName = 'direct'
