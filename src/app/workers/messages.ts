// What the coordinator and its worker threads say to one another.
import type { SharedStorePlace } from '../../admission/shared-store.ts'
import type { PackedConfig } from './config-transfer.ts'
import type { InheritedSocket } from '../../server/inherited.ts'
import type { SharedWindowsPlace } from '../../server/shared-windows.ts'

/** Memory that all threads use. */
export interface SharedPlaces {
  readonly store: SharedStorePlace
  /** Undefined: the requests of a client are not limited. */
  readonly floodWindows: SharedWindowsPlace | undefined
}

/** What a worker begins with. */
export interface WorkerStart {
  /** From 1 on; the coordinator is 0. */
  readonly thread: number
  readonly places: SharedPlaces
  /** As the gateway was started with, and as it was reloaded last. */
  readonly config: PackedConfig
  readonly reloaded: PackedConfig | undefined
  /** Where this one listens. */
  readonly hosts: readonly string[]
  readonly port: number
  readonly unixSocket: string | undefined
  readonly sockets: readonly InheritedSocket[]
  readonly isJournal: boolean
  readonly isTTY: boolean
  readonly version: string
  readonly configFile: string
}

/** Each is answered. `stop` is answered when it has begun; it is done when the thread ends. */
export type Order =
  | { readonly kind: 'reload'; readonly config: PackedConfig }
  | { readonly kind: 'stop'; readonly reason: string }
  | { readonly kind: 'ping' }

export type ToWorker = Order & { readonly id: number }

export type FromWorker =
  | { readonly kind: 'listening'; readonly addresses: readonly string[] }
  /** It can't start; the message is for people. */
  | { readonly kind: 'refused'; readonly message: string }
  /** Whole lines. */
  | { readonly kind: 'log'; readonly text: string }
  /** There is something to save. */
  | { readonly kind: 'changed' }
  /** `openCalls` of a worker that begins to stop, else 0. */
  | { readonly kind: 'answer'; readonly id: number; readonly openCalls: number }
  | { readonly kind: 'stopped' }
