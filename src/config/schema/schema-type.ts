// The part of JSON Schema (draft-07) that the schema of the configuration uses, so that the compiler checks how it is written.

type TypeName = 'array' | 'boolean' | 'integer' | 'null' | 'number' | 'object' | 'string'

export interface Schema {
  readonly type?: TypeName | readonly TypeName[]
  readonly description?: string
  readonly default?: unknown
  readonly const?: unknown
  readonly enum?: readonly unknown[]
  readonly minimum?: number
  readonly maximum?: number
  /** In characters, not bytes. */
  readonly minLength?: number
  readonly maxLength?: number
  /** A linear expression: files are as long as their writer likes. */
  readonly pattern?: string
  readonly items?: Schema
  readonly contains?: Schema
  readonly minItems?: number
  readonly maxItems?: number
  readonly properties?: Readonly<Record<string, Schema | false>>
  readonly patternProperties?: Readonly<Record<string, Schema>>
  readonly propertyNames?: Schema
  readonly additionalProperties?: false | Schema
  readonly required?: readonly string[]
  readonly minProperties?: number
  readonly not?: Schema
  readonly allOf?: readonly Schema[]
  readonly if?: Schema
  readonly then?: Schema
  readonly else?: Schema
  /** Values here may be secrets: they are neither quoted in messages nor shown in excerpts. */
  readonly writeOnly?: true
  /** What a value that does not match `pattern` must be. VS Code and editors with its language servers show it, too. */
  readonly patternErrorMessage?: string
  /** The fault of a value that violates any other rule than type, length and pattern; the same editors show it. */
  readonly errorMessage?: string
  /** How to correct the value. Belongs to `errorMessage` where there is one. */
  readonly hint?: string
  /**
   * The same schema stands in several places, apart from its description: the validator and the copy for editors have it
   * once, as the definition of this name.
   */
  readonly sharedAs?: string
  /** Where keys belong that people look for here: hints by key. */
  readonly elsewhere?: Readonly<Record<string, string>>
}
