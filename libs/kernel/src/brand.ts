/** Nominal typing for ids and texts that must not be mixed up: `Brand<string, 'Lsn'>` is assignable from no other string. */
declare const brand: unique symbol;
export type Brand<T, Name extends string> = T & { readonly [brand]: Name };
