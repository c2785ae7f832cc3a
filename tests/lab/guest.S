# The operating system of the lab's guests: one boot sector.
#
# At every timer tick (18.2 a second) it rewrites one word in each of the next RATE pages of its working set, which is
# the WORKING_SET pages that follow the first MiB, and prints the number of the tick in hex, one line on COM1. So a
# test chooses how fast a guest dirties its memory, and sees on the serial port that it went on without a reset.
#
# Build: as --32 guest.S -o guest.o && ld -m elf_i386 -Ttext 0x7c00 --oformat binary -o guest.bin guest.o

.code16
.globl _start
_start:
    cli
    xor %ax, %ax
    mov %ax, %ds
    mov %ax, %ss
    mov $0x7c00, %sp
    in $0x92, %al                   # address line 20: or every odd MiB would be the even one below it
    or $2, %al
    out %al, $0x92
    sti

tick:
    hlt
    call reach_all_memory           # each time: the BIOS's interrupt handler may have put the limit of %es back
    incl ticks
    mov ticks, %ebx
    mov rate, %ecx
    mov page, %edi
    jecxz print

touch:
    cmp working_set, %edi
    jb 1f
    xor %edi, %edi
1:  mov %edi, %eax
    shl $12, %eax
    add $0x100000, %eax
    addr32 mov %ebx, %es:(%eax)
    inc %edi
    addr32 loop touch
    mov %edi, page

print:
    mov $0x3f8, %dx
    mov $8, %cx
digit:
    rol $4, %ebx
    mov %bl, %al
    and $15, %al
    cmp $10, %al
    jb 1f
    add $'a' - '0' - 10, %al
1:  add $'0', %al
    out %al, %dx
    loop digit
    mov $'\n', %al
    out %al, %dx
    jmp tick

reach_all_memory:                   # load %es in protected mode with a limit of 4 GiB and return ("unreal mode")
    cli
    lgdt descriptors_register
    mov %cr0, %eax
    or $1, %al
    mov %eax, %cr0
    mov $8, %bx
    mov %bx, %es
    and $0xfe, %al
    mov %eax, %cr0
    xor %bx, %bx
    mov %bx, %es
    sti
    ret

.align 8
descriptors:
    .quad 0
    .quad 0x00cf92000000ffff        # data, base 0, limit 4 GiB
descriptors_register:
    .word . - descriptors - 1
    .long descriptors
ticks:
    .long 0
page:
    .long 0

.org 0x1f0                          # set by guest.py
rate:
    .long 0
working_set:
    .long 0
.org 0x1fe
    .word 0xaa55
