// The formats whose responses can be brought into the other form.
import type { Reshape } from '../../translator.ts'
import { chatReshape, completionReshape } from './choices.ts'
import { responseReshape } from './response.ts'

/** By the name of the format. */
export const reshapes: ReadonlyMap<string, Reshape> = new Map([
  ['chat', chatReshape],
  ['completion', completionReshape],
  ['response', responseReshape],
])
