//go:build !noasm && !gccgo && !safe

#include "textflag.h"

// The sign of the second value of each pair.
DATA signs<>+0(SB)/8, $0x0000000000000000
DATA signs<>+8(SB)/8, $0x8000000000000000
DATA signs<>+16(SB)/8, $0x0000000000000000
DATA signs<>+24(SB)/8, $0x8000000000000000
GLOBL signs<>(SB), RODATA|NOPTR, $32

// SUMS has a, b, c and d in Y0 to Y3. It leaves the first output in Y0 and those before
// their twiddle factors in Y1 to Y3.
#define SUMS \
	VADDPD Y2, Y0, Y4 \
	VSUBPD Y2, Y0, Y5 \
	VADDPD Y3, Y1, Y6 \
	VSUBPD Y3, Y1, Y7 \
	VPERMILPD $5, Y7, Y7 \
	VXORPD Y14, Y7, Y7 \
	VADDPD Y6, Y4, Y0 \
	VADDPD Y7, Y5, Y1 \
	VSUBPD Y6, Y4, Y2 \
	VSUBPD Y7, Y5, Y3

// TIMES multiplies the complex values in z by those whose real and imaginary parts, each
// twice, are in re and im. Y4 is overwritten.
#define TIMES(z, re, im) \
	VPERMILPD $5, z, Y4 \
	VMULPD re, z, z \
	VMULPD im, Y4, Y4 \
	VADDSUBPD Y4, z, z

// func rowAVX(y, x *complex128, stride, quarter int, w1, w2, w3 complex128)
TEXT ·rowAVX(SB), NOSPLIT, $0-80
	MOVQ y+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ stride+16(FP), CX
	MOVQ quarter+24(FP), DX
	SHLQ $4, CX
	SHLQ $4, DX
	VBROADCASTSD w1_real+32(FP), Y8
	VBROADCASTSD w1_imag+40(FP), Y9
	VBROADCASTSD w2_real+48(FP), Y10
	VBROADCASTSD w2_imag+56(FP), Y11
	VBROADCASTSD w3_real+64(FP), Y12
	VBROADCASTSD w3_imag+72(FP), Y13
	VMOVUPD signs<>(SB), Y14
	LEAQ (SI)(DX*1), R8
	LEAQ (R8)(DX*1), R9
	LEAQ (R9)(DX*1), R10
	LEAQ (DI)(CX*1), R11
	LEAQ (R11)(CX*1), R12
	LEAQ (R12)(CX*1), R13
	XORQ AX, AX

row:
	VMOVUPD (SI)(AX*1), Y0
	VMOVUPD (R8)(AX*1), Y1
	VMOVUPD (R9)(AX*1), Y2
	VMOVUPD (R10)(AX*1), Y3
	SUMS
	VMOVUPD Y0, (DI)(AX*1)
	TIMES(Y1, Y8, Y9)
	VMOVUPD Y1, (R11)(AX*1)
	TIMES(Y2, Y10, Y11)
	VMOVUPD Y2, (R12)(AX*1)
	TIMES(Y3, Y12, Y13)
	VMOVUPD Y3, (R13)(AX*1)
	ADDQ $32, AX
	CMPQ AX, CX
	JLT row
	VZEROUPPER
	RET

// func firstAVX(y, x, w *complex128, quarter int)
TEXT ·firstAVX(SB), NOSPLIT, $0-32
	MOVQ y+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ w+16(FP), BX
	MOVQ quarter+24(FP), CX
	SHLQ $4, CX
	LEAQ (SI)(CX*1), R8
	LEAQ (R8)(CX*1), R9
	LEAQ (R9)(CX*1), R10
	MOVQ BX, R11 // twiddles of twice and three times the number
	MOVQ BX, R12
	VMOVUPD signs<>(SB), Y14
	XORQ AX, AX

first:
	VMOVUPD (SI)(AX*1), Y0
	VMOVUPD (R8)(AX*1), Y1
	VMOVUPD (R9)(AX*1), Y2
	VMOVUPD (R10)(AX*1), Y3
	SUMS
	VMOVUPD (BX)(AX*1), Y8
	VPERMILPD $15, Y8, Y9
	VMOVDDUP Y8, Y8
	TIMES(Y1, Y8, Y9)
	VMOVUPD (R11), X8
	VINSERTF128 $1, 32(R11), Y8, Y8
	VPERMILPD $15, Y8, Y9
	VMOVDDUP Y8, Y8
	TIMES(Y2, Y8, Y9)
	VMOVUPD (R12), X8
	VINSERTF128 $1, 48(R12), Y8, Y8
	VPERMILPD $15, Y8, Y9
	VMOVDDUP Y8, Y8
	TIMES(Y3, Y8, Y9)
	VPERM2F128 $0x20, Y1, Y0, Y5
	VPERM2F128 $0x20, Y3, Y2, Y6
	VPERM2F128 $0x31, Y1, Y0, Y7
	VPERM2F128 $0x31, Y3, Y2, Y8
	VMOVUPD Y5, (DI)
	VMOVUPD Y6, 32(DI)
	VMOVUPD Y7, 64(DI)
	VMOVUPD Y8, 96(DI)
	ADDQ $128, DI
	ADDQ $64, R11
	ADDQ $96, R12
	ADDQ $32, AX
	CMPQ AX, CX
	JLT first
	VZEROUPPER
	RET
