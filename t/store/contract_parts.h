/*
 * The parts of the contract test, one file each.
 */
#ifndef T_STORE_CONTRACT_PARTS_H
#define T_STORE_CONTRACT_PARTS_H

#include "contract.h"

void contract_open(const struct contract *);
void contract_apply(const struct contract *);
void contract_rooms(const struct contract *);
void contract_numbers(const struct contract *);
void contract_state(const struct contract *);
void contract_grants(const struct contract *);
void contract_users(const struct contract *);
void contract_tell(const struct contract *);
void contract_order(const struct contract *);
void contract_list(const struct contract *);
void contract_queue(const struct contract *);
void contract_read(const struct contract *);
void contract_trim(const struct contract *);
void contract_presence(const struct contract *);
void contract_doorbell(const struct contract *);
void contract_calls(const struct contract *);
void contract_limits(const struct contract *);
void contract_two(const struct contract *);
void contract_fuzz(const struct contract *);

#endif
