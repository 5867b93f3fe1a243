/** What an operator has to know; members are named as in the log. */
export type LedgerEvent =
  /** Nothing is recorded by this process. */
  | { readonly kind: 'ledger_off'; readonly reason: string }
  /** Rows cannot be written now; emitted at most once a minute. */
  | {
      readonly kind: 'ledger_waiting'
      readonly reason: string
      readonly waiting_rows: number
      /** Given up so far, of the whole process. */
      readonly lost_rows: number
    }
  | { readonly kind: 'ledger_writing'; readonly lost_rows: number }
  /** A new file was begun. `file`: where the old one is now. */
  | { readonly kind: 'ledger_set_aside'; readonly reason: string; readonly file: string | undefined }
  /** The process ends, and these are in no file. */
  | { readonly kind: 'ledger_rows_lost'; readonly rows: number }
