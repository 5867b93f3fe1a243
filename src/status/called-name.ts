// Which model answered, by the name that the client used: in the report's texts and on the page.

/** `gpt-safe → qwen-coder`, or the model alone where it was asked for by its own name. */
export function calledName({ asked, model }: CalledModel): string | null {
  return asked ? `${asked} → ${model}` : model
}

interface CalledModel {
  /** Absent in the report of an older gateway. */
  readonly asked?: string | null
  readonly model: string | null
}
